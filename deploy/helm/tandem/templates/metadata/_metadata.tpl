{{/*
The database and webhooks, which metadata and the migration know, and artifacts never.
*/}}

{{/* Name of the Secret that holds the database's URI, given or generated; none with SQLite. */}}
{{- define "tandem.databaseSecret" -}}
{{- default (printf "%s-database" (include "tandem.fullname" .)) .Values.database.existingSecret -}}
{{- end -}}

{{/* "true" where tokens of a cloud's IAM are the database's password. */}}
{{- define "tandem.databaseByIam" -}}
{{- if ne .Values.database.auth "password" -}}true{{- end -}}
{{- end -}}

{{/* "true" where the database's parts come one by one, not as a URI. */}}
{{- define "tandem.databaseInParts" -}}
{{- $database := .Values.database -}}
{{- if or $database.secretKeys.password (and (include "tandem.databaseByIam" .) (or $database.secretKeys.host $database.host)) -}}true{{- end -}}
{{- end -}}

{{/* Takes (dict "root" $ "secret" name "key" key of the URI "user" another than the database's, or ""). Parts are libpq's own variables, in which nothing needs escapes. */}}
{{- define "tandem.databaseEnv" -}}
{{- $database := .root.Values.database -}}
{{- if include "tandem.onSqlite" .root -}}
- name: MLFLOW_BACKEND_STORE_URI
  value: sqlite:///{{ .root.Values.metadata.persistence.mountPath }}/mlflow.db
{{- else if include "tandem.databaseInParts" .root -}}
- name: MLFLOW_BACKEND_STORE_URI
  value: {{ printf "postgresql://%s" (ternary "" (printf "?%s" $database.parameters) (empty $database.parameters)) | quote }}
{{- $parts := dict "host" "PGHOST" "port" "PGPORT" "user" "PGUSER" "password" "PGPASSWORD" "name" "PGDATABASE" }}
{{- range $part, $variable := ternary (omit $parts "password") $parts (eq "true" (include "tandem.databaseByIam" .root)) }}
- name: {{ $variable }}
  {{- with index $database.secretKeys $part }}
  valueFrom:
    secretKeyRef:
      name: {{ $.secret }}
      key: {{ . }}
  {{- else }}
  value: {{ ternary $.user (index $database $part) (and (eq $part "user") (not (empty $.user))) | toString | quote }}
  {{- end }}
{{- end }}
{{- else -}}
- name: MLFLOW_BACKEND_STORE_URI
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}
{{- if include "tandem.databaseByIam" .root }}
- name: TANDEM_DB_AUTH
  value: {{ $database.auth }}
{{- end -}}
{{- end -}}

{{/* The same for the pods of metadata. */}}
{{- define "tandem.metadata.databaseEnv" -}}
{{- include "tandem.databaseEnv" (dict "root" . "secret" (include "tandem.databaseSecret" .) "key" .Values.database.secretKey "user" "") -}}
{{- end -}}

{{- define "tandem.metadata.webhooksEnv" -}}
{{- $webhooks := .Values.metadata.webhooks -}}
{{- if or $webhooks.existingSecret $webhooks.encryptionKey -}}
- name: MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY
  valueFrom:
    secretKeyRef:
      name: {{ default (printf "%s-webhooks" (include "tandem.fullname" .)) $webhooks.existingSecret }}
      key: {{ $webhooks.secretKey }}
{{- end -}}
{{- end -}}

{{- define "tandem.metadata.checksums" -}}
{{- with .Values.database.uri }}
checksum/database: {{ sha256sum . }}
{{- end }}
{{- with .Values.metadata.webhooks.encryptionKey }}
checksum/webhooks: {{ sha256sum . }}
{{- end }}
{{- if include "tandem.authenticates" . }}
{{- with .Values.auth.database.uri }}
checksum/accounts: {{ sha256sum . }}
{{- end }}
{{- with .Values.auth.oidc.clientSecret }}
checksum/oidc: {{ sha256sum . }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
The database and webhooks, which metadata and the migration know, and artifacts never.
*/}}

{{/* Name of the Secret that holds the database's URI, given or generated; none with SQLite. */}}
{{- define "tandem.databaseSecret" -}}
{{- default (printf "%s-database" (include "tandem.fullname" .)) .Values.database.existingSecret -}}
{{- end -}}

{{- define "tandem.databaseEnv" -}}
- name: MLFLOW_BACKEND_STORE_URI
  {{- if include "tandem.onSqlite" . }}
  value: sqlite:///{{ .Values.metadata.persistence.mountPath }}/mlflow.db
  {{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ include "tandem.databaseSecret" . }}
      key: {{ .Values.database.secretKey }}
  {{- end }}
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
{{- end -}}

{{/*
Who may do what: the accounts, which metadata has and artifacts asks. Variables of the pods.
*/}}

{{/* "true" where the services authenticate, "" where the edge has to. */}}
{{- define "tandem.authenticates" -}}
{{- if ne .Values.auth.mode "none" -}}true{{- end -}}
{{- end -}}

{{/* Where the audit log goes: where nothing is said, to standard output as soon as it can name users. */}}
{{- define "tandem.auditLog" -}}
{{- if kindIs "invalid" .Values.auth.auditLog -}}
{{- if include "tandem.authenticates" . -}}-{{- end -}}
{{- else -}}
{{- .Values.auth.auditLog -}}
{{- end -}}
{{- end -}}

{{- define "tandem.auth.adminSecret" -}}
{{- if include "tandem.authenticates" . -}}
{{- if .Values.auth.admin.existingSecret -}}
{{- .Values.auth.admin.existingSecret -}}
{{- else if .Values.auth.admin.password -}}
{{- printf "%s-admin" (include "tandem.fullname" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Name of the Secret with the accounts' own database; none where they are in that of experiments. */}}
{{- define "tandem.auth.databaseSecret" -}}
{{- if include "tandem.authenticates" . -}}
{{- if .Values.auth.database.existingSecret -}}
{{- .Values.auth.database.existingSecret -}}
{{- else if .Values.auth.database.uri -}}
{{- printf "%s-accounts" (include "tandem.fullname" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tandem.auth.clientSecret" -}}
{{- if eq .Values.auth.mode "oidc" -}}
{{- if .Values.auth.oidc.existingSecret -}}
{{- .Values.auth.oidc.existingSecret -}}
{{- else if .Values.auth.oidc.clientSecret -}}
{{- printf "%s-oidc" (include "tandem.fullname" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where browsers find metadata, and so where the provider leads them back to. */}}
{{- define "tandem.publicUrl" -}}
{{- default (printf "%s://%s%s" .Values.hosts.scheme .Values.hosts.metadata .Values.staticPrefix) .Values.auth.publicUrl -}}
{{- end -}}

{{/* Takes (dict "name" of a variable "secret" name "key" key); nothing without a Secret. */}}
{{- define "tandem.fromSecret" -}}
{{- if .secret -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}
{{- end -}}

{{/* What both components have. */}}
{{- define "tandem.auth.commonEnv" -}}
{{- if not (include "tandem.authenticates" .) }}
# Nobody is authenticated here: the edge has to.
- name: TANDEM_INSECURE_NO_AUTH
  value: "true"
{{- end }}
{{- with include "tandem.auditLog" . }}
- name: TANDEM_AUDIT_LOG
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* What tells the migration which tables of accounts to make, and where. */}}
{{- define "tandem.auth.migrationEnv" -}}
{{- if include "tandem.authenticates" . -}}
# Whoever signs users in: the tables are the same.
- name: TANDEM_AUTH
  value: basic
{{ include "tandem.fromSecret" (dict "name" "TANDEM_AUTH_DATABASE_URI" "secret" (include "tandem.migration.accountsSecret" .) "key" .Values.auth.database.secretKey) }}
{{- end -}}
{{- end -}}

{{- define "tandem.auth.metadataEnv" -}}
{{- include "tandem.auth.commonEnv" . }}
{{- if include "tandem.authenticates" . }}
{{- with .Values.auth }}
- name: TANDEM_AUTH
  value: {{ .mode }}
- name: TANDEM_AUTH_DEFAULT_PERMISSION
  value: {{ .defaultPermission }}
- name: MLFLOW_AUTH_ADMIN_USERNAME
  value: {{ .admin.username | quote }}
{{ include "tandem.fromSecret" (dict "name" "MLFLOW_AUTH_ADMIN_PASSWORD" "secret" (include "tandem.auth.adminSecret" $) "key" .admin.secretKey) }}
{{ include "tandem.fromSecret" (dict "name" "TANDEM_AUTH_DATABASE_URI" "secret" (include "tandem.auth.databaseSecret" $) "key" .database.secretKey) }}
{{- if eq .mode "oidc" }}
{{ include "tandem.auth.oidcEnv" $ }}
{{- else if eq .mode "proxy" }}
{{ include "tandem.auth.proxyEnv" $ }}
{{- end }}
{{- with .certificateUser }}
- name: TANDEM_AUTH_CERTIFICATE_USER
  value: {{ . }}
{{- end }}
{{- if and (include "tandem.podTls.probesApart" $) (or .proxy.artifacts .certificateUser) }}
# Theirs are believed who their users are.
- name: TANDEM_AUTH_ARTIFACTS_CERTIFICATES
  value: {{ include "tandem.podTls.serverName" (dict "root" $ "component" "artifacts") }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whom a proxy has authenticated, and which proxies there are. */}}
{{- define "tandem.auth.proxyEnv" -}}
{{- with .Values.auth.proxy -}}
{{- if .certificateHeader -}}
- name: TANDEM_AUTH_CERTIFICATE_HEADER
  value: {{ .certificateHeader | quote }}
{{- else -}}
- name: TANDEM_AUTH_PROXY_HEADER
  value: {{ .header | quote }}
{{- end }}
- name: TANDEM_AUTH_TRUSTED_PROXIES
  value: {{ join "," .trustedProxies | quote }}
{{- end -}}
{{- end -}}

{{/* "true" where users come to the pods themselves with a certificate. */}}
{{- define "tandem.auth.certificates" -}}
{{- if and .Values.auth.certificateUser (not .Values.auth.proxy.certificateHeader) -}}true{{- end -}}
{{- end -}}

{{- define "tandem.auth.oidcEnv" -}}
{{- with .Values.auth.oidc -}}
- name: TANDEM_PUBLIC_URL
  value: {{ include "tandem.publicUrl" $ | quote }}
- name: TANDEM_OIDC_ISSUER
  value: {{ .issuer | quote }}
- name: TANDEM_OIDC_CLIENT_ID
  value: {{ .clientId | quote }}
{{ include "tandem.fromSecret" (dict "name" "TANDEM_OIDC_CLIENT_SECRET" "secret" (include "tandem.auth.clientSecret" $) "key" .secretKey) }}
- name: TANDEM_OIDC_SCOPES
  value: {{ .scopes | quote }}
- name: TANDEM_OIDC_USERNAME_CLAIM
  value: {{ .usernameClaim | quote }}
{{- with .audiences }}
- name: TANDEM_OIDC_AUDIENCES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .groupsClaim }}
- name: TANDEM_OIDC_GROUPS_CLAIM
  value: {{ . | quote }}
{{- end }}
{{- $pairs := list }}
{{- range $group, $role := .groupRoles }}
{{- $pairs = append $pairs (printf "%s=%s" $group $role) }}
{{- end }}
{{- with $pairs }}
- name: TANDEM_OIDC_GROUP_ROLES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .adminGroups }}
- name: TANDEM_OIDC_ADMIN_GROUPS
  value: {{ join "," . | quote }}
{{- end }}
- name: TANDEM_OIDC_SESSION_SECONDS
  value: {{ .sessionSeconds | int64 | quote }}
- name: TANDEM_OIDC_REFRESH_SECONDS
  value: {{ .refreshSeconds | int64 | quote }}
{{- end -}}
{{- end -}}

{{/* Artifacts has no accounts: it passes on to metadata what users prove themselves by. */}}
{{- define "tandem.auth.artifactsEnv" -}}
{{- include "tandem.auth.commonEnv" . }}
{{- if include "tandem.authenticates" . }}
- name: TANDEM_AUTH
  value: metadata
- name: TANDEM_METADATA_URL
  value: {{ include "tandem.metadataUrl" . }}
{{- if .Values.auth.proxy.artifacts }}
{{ include "tandem.auth.proxyEnv" . }}
{{- end }}
{{- if include "tandem.auth.certificates" . }}
- name: TANDEM_AUTH_CERTIFICATES
  value: "true"
{{- end }}
{{- end }}
{{- end -}}

{{/* helm test comes as the first administrator. With no password of his, its own variables may give a token. */}}
{{- define "tandem.auth.testEnv" -}}
{{- if include "tandem.authenticates" . -}}
- name: AUTHENTICATES
  value: "true"
{{- with include "tandem.auth.adminSecret" . }}
- name: MLFLOW_TRACKING_USERNAME
  value: {{ $.Values.auth.admin.username | quote }}
{{ include "tandem.fromSecret" (dict "name" "MLFLOW_TRACKING_PASSWORD" "secret" . "key" $.Values.auth.admin.secretKey) }}
{{- end }}
{{- end -}}
{{- end -}}

{{/*
What belongs to one component must not come to the other by a side door, and what the chart sets must not be set twice.
*/}}

{{/* Flags and variables that the chart gives, each with the value that leads to it. */}}
{{- define "tandem.owned" -}}
flags:
  --host: listenAddress
  -h: listenAddress
  --port: service.port
  -p: service.port
  --workers: workers
  -w: workers
  --shutdown-delay: shutdownDelaySeconds
  --graceful-timeout: {{ ternary "longestTransferSeconds" "gracefulTimeoutSeconds" (eq . "artifacts") }}
  --allowed-hosts: allowedHosts
  --static-prefix: staticPrefix
  --insecure-no-auth: insecureNoAuth
  --tls-cert: podTLS
  --tls-key: podTLS
  --tls-client-ca: podTLS
  --tls-client-auth: podTLS.clientAuth
  --probe-port: podTLS.clientAuth
  --auth: auth.mode
  --audit-log: auth.auditLog
  --auth-proxy-header: auth.proxy.header
  --auth-certificate-header: auth.proxy.certificateHeader
  --auth-trusted-proxies: auth.proxy.trustedProxies
  {{- if eq . "metadata" }}
  --default-artifact-root: hosts.artifacts (never a directory, which no other pod and no client could reach)
  --artifacts-url: hosts.artifacts
  --backend-store-uri: database
  --db-auth: database.auth
  --migrate: migration (pods never migrate)
  --no-migrate: migration
  --db-prepared-statements: database.preparedStatements
  --no-db-prepared-statements: database.preparedStatements
  --ui-dir: metadata.uiDir
  --webhook-secret-encryption-key: metadata.webhooks
  --app-name: auth.mode
  --auth-database-uri: auth.database
  --auth-default-permission: auth.defaultPermission
  --auth-admin-username: auth.admin
  --auth-admin-password: auth.admin
  --public-url: auth.publicUrl
  --auth-certificate-user: auth.certificateUser
  --auth-artifacts-certificates: auth.proxy.artifacts or auth.certificateUser
  --oidc-issuer: auth.oidc.issuer
  --oidc-client-id: auth.oidc.clientId
  --oidc-client-secret: auth.oidc.existingSecret
  --oidc-scopes: auth.oidc.scopes
  --oidc-audiences: auth.oidc.audiences
  --oidc-username-claim: auth.oidc.usernameClaim
  --oidc-groups-claim: auth.oidc.groupsClaim
  --oidc-group-roles: auth.oidc.groupRoles
  --oidc-admin-groups: auth.oidc.adminGroups
  --oidc-session-seconds: auth.oidc.sessionSeconds
  --oidc-refresh-seconds: auth.oidc.refreshSeconds
  {{- else }}
  --artifacts-destination: objectStore.destination
  --metadata-url: auth.mode
  --auth-certificates: auth.certificateUser
  --no-auth-certificates: auth.certificateUser
  {{- end }}
variables:
  TMPDIR: tmpSizeLimit
  MLFLOW_BACKEND_STORE_URI: database
  TANDEM_DB_AUTH: database.auth
  {{- range list "PGHOST" "PGPORT" "PGUSER" "PGPASSWORD" "PGDATABASE" }}
  {{ . }}: database
  {{- end }}
  MLFLOW_DEFAULT_ARTIFACT_ROOT: hosts.artifacts
  MLFLOW_ARTIFACTS_DESTINATION: objectStore.destination
  MLFLOW_STATIC_PREFIX: staticPrefix
  TANDEM_INSECURE_NO_AUTH: insecureNoAuth
  {{- range list "CERT" "KEY" "CLIENT_CA" "CLIENT_AUTH" }}
  TANDEM_TLS_{{ . }}: podTLS
  {{- end }}
  TANDEM_PROBE_PORT: podTLS.clientAuth
  TANDEM_AUTH: auth.mode
  TANDEM_APP_NAME: auth.mode
  TANDEM_METADATA_URL: auth.mode
  TANDEM_AUDIT_LOG: auth.auditLog
  TANDEM_AUTH_DATABASE_URI: auth.database
  TANDEM_AUTH_DEFAULT_PERMISSION: auth.defaultPermission
  MLFLOW_AUTH_ADMIN_USERNAME: auth.admin
  MLFLOW_AUTH_ADMIN_PASSWORD: auth.admin
  TANDEM_PUBLIC_URL: auth.publicUrl
  TANDEM_AUTH_PROXY_HEADER: auth.proxy.header
  TANDEM_AUTH_CERTIFICATE_HEADER: auth.proxy.certificateHeader
  TANDEM_AUTH_TRUSTED_PROXIES: auth.proxy.trustedProxies
  TANDEM_AUTH_CERTIFICATE_USER: auth.certificateUser
  TANDEM_AUTH_CERTIFICATES: auth.certificateUser
  TANDEM_AUTH_ARTIFACTS_CERTIFICATES: auth.proxy.artifacts or auth.certificateUser
  TANDEM_OIDC_ISSUER: auth.oidc.issuer
  TANDEM_OIDC_CLIENT_ID: auth.oidc.clientId
  TANDEM_OIDC_CLIENT_SECRET: auth.oidc.existingSecret
  {{- range list "SCOPES" "AUDIENCES" "USERNAME_CLAIM" "GROUPS_CLAIM" "GROUP_ROLES" "ADMIN_GROUPS" "SESSION_SECONDS" "REFRESH_SECONDS" }}
  TANDEM_OIDC_{{ . }}: auth.oidc
  {{- end }}
  TANDEM_MIGRATE: migration (pods never migrate)
  MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY: metadata.webhooks
{{- end -}}

{{/* Takes (dict "root" $ "component" … "values" …). */}}
{{- define "tandem.validate.overrides" -}}
{{- $owned := include "tandem.owned" .component | fromYaml -}}
{{- $component := .component -}}
{{- range .values.extraArgs -}}
{{- $flag := regexReplaceAll "=.*$" (toString .) "" -}}
{{- /* The value of a short flag may follow at once, as in -p5600. */ -}}
{{- $flag = regexReplaceAll "^(-[a-zA-Z]).*$" $flag "${1}" -}}
{{- with index $owned.flags $flag -}}
{{- fail (printf "%s.extraArgs has %s, which the chart sets itself: change %s instead." $component $flag .) -}}
{{- end -}}
{{- end -}}
{{- $sources := dict (printf "%s.extraEnv" $component) .values.extraEnv -}}
{{- if eq $component "artifacts" -}}{{- $_ := set $sources "objectStore.env" .root.Values.objectStore.env -}}{{- end -}}
{{- $seen := dict -}}
{{- range $where, $variables := $sources -}}
{{- range $variable := $variables -}}
{{- with index $owned.variables $variable.name -}}
{{- fail (printf "%s has %s, which the chart sets itself: change %s instead." $where $variable.name .) -}}
{{- end -}}
{{- with index $seen $variable.name -}}
{{- fail (printf "%s and %s both set %s: keep one of them." . $where $variable.name) -}}
{{- end -}}
{{- $_ := set $seen $variable.name $where -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes (dict "values" .Values.artifacts "secret" name); "true" where anything of the component names the Secret. */}}
{{- define "tandem.names" -}}
{{- $values := pick .values "extraEnv" "extraEnvFrom" "extraVolumes" "initContainers" "sidecars" -}}
{{- if regexMatch (printf "\"(name|secretName)\":%s" (.secret | toJson | regexQuoteMeta)) (toJson $values) -}}true{{- end -}}
{{- end -}}

{{- define "tandem.validate.separation" -}}
{{- $store := include "tandem.artifacts.secret" . -}}
{{- range $where, $database := dict "database" (include "tandem.databaseSecret" .) "migration" .Values.migration.existingSecret -}}
{{- if and $database (eq $store $database) -}}
{{- fail (printf "objectStore.existingSecret and %s.existingSecret are both %s: give each a Secret of its own, or artifacts would know the database's password." $where $store) -}}
{{- end -}}
{{- if and $database (include "tandem.names" (dict "values" $.Values.artifacts "secret" $database)) -}}
{{- fail (printf "artifacts has %s, the database's Secret, in its extra variables, volumes or containers: remove it there; metadata and the migration alone may know it." $database) -}}
{{- end -}}
{{- end -}}
{{- range $where, $secret := dict "auth.admin" (include "tandem.auth.adminSecret" .) "auth.database" (include "tandem.auth.databaseSecret" .) "auth.oidc" (include "tandem.auth.clientSecret" .) "migration.accountsSecret" .Values.migration.accountsSecret -}}
{{- if and $secret (or (eq $store $secret) (include "tandem.names" (dict "values" $.Values.artifacts "secret" $secret))) -}}
{{- fail (printf "artifacts has %s, the Secret of %s: remove it there; metadata alone has accounts." $secret $where) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.migration.existingSecret (include "tandem.names" (dict "values" .Values.metadata "secret" .Values.migration.existingSecret)) -}}
{{- fail (printf "metadata has %s, the migration's Secret, in its extra variables, volumes or containers: remove it there, or its pods could change tables." .Values.migration.existingSecret) -}}
{{- end -}}
{{- range $component := list "metadata" "migration" "gc" -}}
{{- if and $store (include "tandem.names" (dict "values" (index $.Values $component) "secret" $store)) -}}
{{- fail (printf "%s has %s, the object store's Secret, in its extra variables, volumes or containers: remove it there; artifacts alone may know it." $component $store) -}}
{{- end -}}
{{- end -}}
{{- $components := ternary (list "metadata" "migration" "test") (list "metadata" "migration") .Values.test.enabled -}}
{{- range $component := ternary (append $components "gc") $components .Values.gc.enabled -}}
{{- $account := include "tandem.serviceAccountName" (dict "root" $ "component" $component) -}}
{{- if eq $account (include "tandem.serviceAccountName" (dict "root" $ "component" "artifacts")) -}}
{{- fail (printf "%s.serviceAccount and artifacts.serviceAccount are both %s: set %s.serviceAccount.create to true or name another, or it would have the object store's identity." $component $account $component) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Deployments that strangers could use, and accounts that nobody could sign in to.
*/}}

{{- define "tandem.validate.authentication" -}}
{{- if include "tandem.authenticates" . -}}
{{- include "tandem.validate.accounts" . -}}
{{- else -}}
{{- if or .Values.auth.database.existingSecret .Values.auth.database.uri .Values.auth.admin.existingSecret .Values.auth.admin.password .Values.auth.oidc.issuer .Values.auth.proxy.header .Values.auth.proxy.certificateHeader .Values.auth.certificateUser -}}
{{- fail "auth.mode is none, but accounts are described below auth: set auth.mode to basic, proxy or oidc, or empty what describes them." -}}
{{- end -}}
{{- if not .Values.insecureNoAuth -}}
{{- $exposed := list -}}
{{- range $name := list "ingress" "httpRoute" -}}
{{- if (index $.Values $name).enabled -}}{{- $exposed = append $exposed (printf "%s.enabled is true" $name) -}}{{- end -}}
{{- end -}}
{{- range $name := list "metadata" "artifacts" -}}
{{- $type := (index $.Values $name).service.type -}}
{{- if ne $type "ClusterIP" -}}{{- $exposed = append $exposed (printf "%s.service.type is %s" $name $type) -}}{{- end -}}
{{- end -}}
{{- with first $exposed -}}
{{- fail (printf "%s, but the services authenticate nobody: set auth.mode, or set insecureNoAuth to true once the edge authenticates, for both hosts alike, or if whoever reaches it may do everything." .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tandem.validate.accounts" -}}
{{- with .Values.auth -}}
{{- if $.Values.insecureNoAuth -}}
{{- fail (printf "auth.mode is %s, but insecureNoAuth is true: set it to false, since the services authenticate, or set auth.mode to none." .mode) -}}
{{- end -}}
{{- if and .admin.existingSecret .admin.password -}}
{{- fail "auth.admin.existingSecret and auth.admin.password are both set: keep one, the Secret that exists or the password from which one is generated." -}}
{{- end -}}
{{- if and .admin.password (lt (len .admin.password) 12) -}}
{{- fail "auth.admin.password is too short: set one of at least 12 characters, or better name a Secret in auth.admin.existingSecret." -}}
{{- end -}}
{{- if not (or .admin.existingSecret .admin.password .existingAccounts (and (eq .mode "oidc") .oidc.adminGroups)) -}}
{{- fail "auth.admin.existingSecret is empty: name a Secret with the first administrator's password; or set auth.oidc.adminGroups, or auth.existingAccounts to true where the database has an administrator already." -}}
{{- end -}}
{{- if and .database.existingSecret .database.uri -}}
{{- fail "auth.database.existingSecret and auth.database.uri are both set: keep one, the Secret that exists or the URI from which one is generated." -}}
{{- end -}}
{{- if and .database.uri (not (regexMatch "^postgres(ql)?(\\+[a-z0-9]+)?://" .database.uri)) -}}
{{- fail "auth.database.uri is no URI of PostgreSQL: begin it with postgresql://, or empty it to keep accounts in the database of experiments." -}}
{{- end -}}
{{- if and $.Values.migration.accountsSecret (not (or .database.existingSecret .database.uri)) -}}
{{- fail "migration.accountsSecret is set, but accounts have no database of their own: set auth.database.existingSecret, or empty migration.accountsSecret." -}}
{{- end -}}
{{- if and $.Values.networkPolicy.enabled (include "tandem.onSqlite" $) (or .database.existingSecret .database.uri) (not $.Values.networkPolicy.database.peers) -}}
{{- fail "networkPolicy.database.peers is empty, but accounts have a database of their own: name its addresses or pods, or metadata cannot reach it." -}}
{{- end -}}
{{- if ne .mode "oidc" -}}
{{- if or .oidc.issuer .oidc.clientId .oidc.existingSecret .oidc.clientSecret -}}
{{- fail (printf "auth.oidc is set, but auth.mode is %s: set auth.mode to oidc, or empty auth.oidc." .mode) -}}
{{- end -}}
{{- else -}}
{{- include "tandem.validate.oidc" $ -}}
{{- end -}}
{{- if ne .mode "proxy" -}}
{{- if or .proxy.header .proxy.certificateHeader .proxy.trustedProxies .proxy.artifacts -}}
{{- fail (printf "auth.proxy is set, but auth.mode is %s: set auth.mode to proxy, or empty auth.proxy." .mode) -}}
{{- end -}}
{{- else if not (and (or .proxy.header .proxy.certificateHeader) .proxy.trustedProxies) -}}
{{- fail "auth.mode is proxy, but auth.proxy.header or auth.proxy.trustedProxies is empty: name the header in which the proxy puts the user, or his certificate (auth.proxy.certificateHeader), and the addresses that it is believed of." -}}
{{- else if and .proxy.header .proxy.certificateHeader -}}
{{- fail "auth.proxy.header and auth.proxy.certificateHeader both name the user: keep one, as your proxy has it." -}}
{{- end -}}
{{- if and .proxy.certificateHeader (not .certificateUser) -}}
{{- fail "auth.proxy.certificateHeader is set, but auth.certificateUser is empty: say what of the certificate names the user, as cn." -}}
{{- end -}}
{{- if and (include "tandem.auth.certificates" $) (not (include "tandem.podTls.probesApart" $)) -}}
{{- fail "auth.certificateUser is set, but nobody asks clients for a certificate: set podTLS.enabled and podTLS.clientAuth where clients reach the pods by TLS, or auth.mode to proxy and auth.proxy.certificateHeader." -}}
{{- end -}}
{{- range .proxy.trustedProxies -}}
{{- if hasSuffix "/0" . -}}
{{- fail (printf "auth.proxy.trustedProxies has %s: name the proxy's own addresses, or whoever reaches metadata can be anyone." .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tandem.validate.oidc" -}}
{{- with .Values.auth.oidc -}}
{{- if not (and .issuer .clientId) -}}
{{- fail "auth.mode is oidc, but auth.oidc.issuer or auth.oidc.clientId is empty: set both, as your provider shows them." -}}
{{- end -}}
{{- if and .existingSecret .clientSecret -}}
{{- fail "auth.oidc.existingSecret and auth.oidc.clientSecret are both set: keep one, the Secret that exists or the value from which one is generated." -}}
{{- end -}}
{{- if and (or .groupRoles .adminGroups) (not .groupsClaim) -}}
{{- fail "auth.oidc.groupRoles or auth.oidc.adminGroups is set, but auth.oidc.groupsClaim is empty: name the claim that lists the groups, as groups." -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.auth.publicUrl .Values.hosts.metadata) -}}
{{- fail "auth.mode is oidc, but hosts.metadata and auth.publicUrl are empty: set hosts.metadata, to which the provider leads browsers back." -}}
{{- end -}}
{{- $url := include "tandem.publicUrl" . -}}
{{- if not (or (hasPrefix "https://" $url) (regexMatch "^http://(localhost|127\\.0\\.0\\.1)(:|/|$)" $url)) -}}
{{- fail (printf "auth.mode is oidc, but browsers come by %s: set hosts.scheme to https, or auth.publicUrl." $url) -}}
{{- end -}}
{{- if and .Values.auth.publicUrl (not (hasSuffix .Values.staticPrefix (trimSuffix "/" .Values.auth.publicUrl))) -}}
{{- fail (printf "auth.publicUrl does not end with staticPrefix: add %s to it, since the provider leads browsers to a path below it." .Values.staticPrefix) -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.identityProvider.peers) -}}
{{- fail "networkPolicy.identityProvider.peers is empty, but auth.mode is oidc: name the provider's addresses or pods, or nobody can log in." -}}
{{- end -}}
{{- end -}}

{{/*
Cleaning up: a CronJob that plans, or deletes for good, by tandem-metadata gc. It knows the database, and calls artifacts.
*/}}

{{- define "tandem.validate.gc" -}}
{{- with .Values.gc -}}
{{- if .enabled -}}
{{- if include "tandem.onSqlite" $ -}}
{{- fail "gc.enabled is true, but database.type is sqlite: set it to false, since no other pod could use the file, and run tandem-metadata gc in the metadata pod by kubectl exec." -}}
{{- end -}}
{{- if and .pushgateway $.Values.networkPolicy.enabled (not $.Values.networkPolicy.pushgateway.peers) -}}
{{- fail "networkPolicy.pushgateway.peers is empty, but gc.pushgateway is set: name the Pushgateway's pods, as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], or no figure reaches it." -}}
{{- end -}}
{{- $owned := dict "--yes" "gc.dryRun" "--older-than" "gc.olderThan" "--pushgateway" "gc.pushgateway" "--artifacts-url" "hosts.artifacts" "--default-artifact-root" "hosts.artifacts" "--artifact-hosts" "hosts.artifacts" "--artifacts-ca" "podTLS" "--artifacts-cert" "podTLS.clientAuth" "--artifacts-key" "podTLS.clientAuth" "--backend-store-uri" "database" "--db-auth" "database.auth" "--auth" "auth.mode" "--auth-database-uri" "auth.database" -}}
{{- range .extraArgs -}}
{{- $flag := regexReplaceAll "=.*$" (toString .) "" -}}
{{- with index $owned $flag -}}
{{- fail (printf "gc.extraArgs has %s, which the chart sets itself: change %s instead." $flag .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

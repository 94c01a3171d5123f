{{/*
Parts of NOTES.txt.
*/}}

{{/* Takes (dict "root" $ "component" …). */}}
{{- define "tandem.notes.pods" -}}
{{- $values := index .root.Values .component -}}
{{- if dig "keda" "enabled" false $values -}}
{{- printf "%v to %v pods (KEDA)" $values.keda.minReplicas $values.keda.maxReplicas -}}
{{- else if $values.autoscaling.enabled -}}
{{- printf "%v to %v pods (HPA)" $values.autoscaling.minReplicas $values.autoscaling.maxReplicas -}}
{{- else -}}
{{- printf "%v %s" $values.replicas (ternary "pod" "pods" (eq (int $values.replicas) 1)) -}}
{{- end -}}
{{- end -}}

{{/* Who may come in, and where the first administrator's password is. */}}
{{- define "tandem.notes.authentication" -}}
{{- if include "tandem.authenticates" . -}}
{{- $auth := .Values.auth -}}
{{- $ways := dict "basic" "Users sign in with a password or a token" "proxy" (printf "Users come by the proxy, which names them in %s, and programs with a token" (default $auth.proxy.header $auth.proxy.certificateHeader)) "oidc" (printf "Users log in at %s, and programs send a token" $auth.oidc.issuer) -}}
{{ index $ways $auth.mode }} (auth.mode {{ $auth.mode }}), for both services.
{{- if eq $auth.mode "oidc" }} The provider must know the redirect URI {{ include "tandem.publicUrl" . }}/oidc/callback.{{ end }}
{{- with include "tandem.auth.adminSecret" . }} The first administrator is {{ $auth.admin.username }}; his first password:

     kubectl -n {{ include "tandem.namespace" $ }} get secret {{ . }} -o go-template='{{ printf "{{ index .data %q | base64decode }}" $auth.admin.secretKey }}'
{{- end }}
{{- else -}}
Tandem authenticates nobody. Whoever reaches {{ ternary "the host" "either host" (eq (include "tandem.singleHost" .) "true") }} can read and change everything: set auth.mode, or authenticate at the ingress{{ if not (include "tandem.singleHost" .) }}, at both hosts alike{{ end }}.
{{- end -}}
{{- end -}}

{{/* A list of sentences on what runs, but not as it should in production. */}}
{{- define "tandem.notes.warnings" -}}
{{- $warnings := list -}}
{{- if include "tandem.onSqlite" . -}}
{{- $warnings = append $warnings "SQLite is one file, written by one pod: upgrades interrupt the service. Use PostgreSQL for more than trying out." -}}
{{- end -}}
{{- if include "tandem.onDisk" . -}}
{{- $warnings = append $warnings "Artifacts are on one volume, served by one pod: they cannot scale. Use an object store for more than trying out." -}}
{{- end -}}
{{- if and .Values.objectStore.reachedByClients (not (has "--disable-proxy-multipart-download" .Values.artifacts.extraArgs)) (or (hasPrefix "minio:" .Values.objectStore.destination) (include "tandem.notes.ownEndpoint" .)) -}}
{{- $warnings = append $warnings "Clients are sent to the object store itself for large files. If only pods reach it, uploads and downloads hang for minutes: set objectStore.reachedByClients to false." -}}
{{- end -}}
{{- $azure := "azure.workload.identity/" -}}
{{- if and (hasKey .Values.artifacts.serviceAccount.annotations (print $azure "client-id")) (ne "true" (toString (get (merge dict .Values.artifacts.podLabels .Values.commonLabels) (print $azure "use")))) -}}
{{- $warnings = append $warnings "artifacts.serviceAccount names an identity of Azure, which pods get by a label only: set artifacts.podLabels to {azure.workload.identity/use: \"true\"}." -}}
{{- end -}}
{{- if .Values.database.uri -}}
{{- $warnings = append $warnings "The database's password is part of Helm's release, since database.uri holds it. Rather name a Secret in database.existingSecret." -}}
{{- end -}}
{{- if .Values.objectStore.credentials -}}
{{- $warnings = append $warnings "The object store's keys are part of Helm's release, since objectStore.credentials holds them. Rather name a Secret in objectStore.existingSecret." -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.tls.enabled) (eq .Values.hosts.scheme "http") -}}
{{- $warnings = append $warnings "Nothing is encrypted: credentials and artifacts travel in the clear. Set ingress.tls.enabled and hosts.scheme." -}}
{{- end -}}
{{- if and (include "tandem.authenticates" .) (or .Values.auth.admin.password .Values.auth.database.uri .Values.auth.oidc.clientSecret) -}}
{{- $warnings = append $warnings "Secrets of auth are part of Helm's release, since their values hold them. Rather name Secrets: auth.admin.existingSecret, auth.database.existingSecret, auth.oidc.existingSecret." -}}
{{- end -}}
{{- range $component := ternary list (list "metadata" "artifacts") (eq "true" (include "tandem.authenticates" .)) -}}
{{- $service := (index $.Values $component).service -}}
{{- if and (eq $service.type "LoadBalancer") (not $service.loadBalancerSourceRanges) -}}
{{- $warnings = append $warnings (printf "%s.service.type is LoadBalancer: whoever reaches its address reads and changes everything, past the ingress. Set %s.service.loadBalancerSourceRanges, or the type to ClusterIP." $component $component) -}}
{{- else if eq $service.type "NodePort" -}}
{{- $warnings = append $warnings (printf "%s.service.type is NodePort: whoever reaches a node reads and changes everything, past the ingress. Set the type to ClusterIP, or keep others from the nodes' ports." $component) -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.networkPolicy.enabled) (eq .Values.auth.mode "proxy") -}}
{{- $warnings = append $warnings "networkPolicy.enabled is false: any pod whose address is in auth.proxy.trustedProxies can call metadata as anyone." -}}
{{- else if and (not .Values.networkPolicy.enabled) (eq .Values.auth.mode "none") -}}
{{- $warnings = append $warnings "networkPolicy.enabled is false: any pod of the cluster can call Tandem past the ingress, which authenticates." -}}
{{- end -}}
{{- if and .Values.auth.proxy.artifacts (not (include "tandem.podTls.probesApart" .)) -}}
{{- $warnings = append $warnings "auth.proxy.artifacts is true: auth.proxy.trustedProxies must hold the addresses of the artifacts pods too, which pass on to metadata what the proxy told them; or set podTLS.clientAuth, so that they prove themselves." -}}
{{- end -}}
{{- if and .Values.podTLS.enabled .Values.ingress.enabled (not .Values.ingress.controller) -}}
{{- $warnings = append $warnings "The pods speak HTTPS, and nothing tells your ingress controller so: set ingress.controller, or annotate Ingresses and Services as it asks." -}}
{{- end -}}
{{- if and .Values.ingress.enabled (eq .Values.ingress.className "traefik") -}}
{{- $warnings = append $warnings "Traefik cuts requests that take longer than 60 s to come in: set respondingTimeouts.readTimeout of its entry point to 0 or to your longest upload." -}}
{{- end -}}
{{- toYaml $warnings -}}
{{- end -}}

{{/* "true" where the store is another than Amazon's, by a variable of objectStore.env. */}}
{{- define "tandem.notes.ownEndpoint" -}}
{{- range .Values.objectStore.env -}}
{{- if has .name (list "MLFLOW_S3_ENDPOINT_URL" "AWS_ENDPOINT_URL_S3" "AWS_ENDPOINT_URL") -}}true{{- end -}}
{{- end -}}
{{- end -}}

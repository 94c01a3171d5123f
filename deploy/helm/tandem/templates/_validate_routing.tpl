{{/*
Routes that lead nowhere, certificates that nobody makes, policies that let through what they are to hold.
*/}}

{{- define "tandem.validate.routing" -}}
{{- range $name := list "ingress" "httpRoute" -}}
{{- if and (index $.Values $name).enabled (not $.Values.hosts.metadata) -}}
{{- fail (printf "%s.enabled is true, but hosts.metadata is empty: set it to the host name of MLFLOW_TRACKING_URI, as mlflow.example.com." $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled is true, but httpRoute.parentRefs is empty: name the Gateway, as [{name: public, namespace: gateways}]." -}}
{{- end -}}
{{- include "tandem.validate.filters" . -}}
{{- with .Values.ingress -}}
{{- $manager := or .tls.certManager.clusterIssuer .tls.certManager.issuer -}}
{{- if and .tls.certManager.clusterIssuer .tls.certManager.issuer -}}
{{- fail "ingress.tls.certManager.clusterIssuer and ingress.tls.certManager.issuer are both set: keep one." -}}
{{- end -}}
{{- if and $manager (not .tls.enabled) -}}
{{- fail "ingress.tls.certManager is set, but ingress.tls.enabled is false: set it to true, or no certificate is asked for." -}}
{{- end -}}
{{- if and .tls.enabled (not .enabled) -}}
{{- fail "ingress.tls.enabled is true, but ingress.enabled is false: set it to true, or nothing would be encrypted." -}}
{{- end -}}
{{- if and .tls.enabled (eq $.Values.hosts.scheme "http") -}}
{{- fail "ingress.tls.enabled is true, but hosts.scheme is http: set it to https, or pages of the web UI could not call the artifacts host." -}}
{{- end -}}
{{- $metadata := include "tandem.tlsSecret" (dict "root" $ "component" "metadata") -}}
{{- if include "tandem.singleHost" $ -}}
{{- if and .tls.artifactsSecretName (ne .tls.artifactsSecretName $metadata) -}}
{{- fail "ingress.tls.artifactsSecretName is set, but hosts.metadata and hosts.artifacts are one host: set ingress.tls.metadataSecretName alone, which holds for both." -}}
{{- end -}}
{{- else if and $manager (eq $metadata (include "tandem.tlsSecret" (dict "root" $ "component" "artifacts"))) -}}
{{- fail (printf "ingress.tls.metadataSecretName and ingress.tls.artifactsSecretName are both %s: give each host its own, since cert-manager makes one certificate a Secret." $metadata) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Of each type of filter the field that belongs to it, and for one that is in the experimental channel only, since which release. */}}
{{- define "tandem.filterTypes" -}}
RequestHeaderModifier: {field: requestHeaderModifier}
ResponseHeaderModifier: {field: responseHeaderModifier}
RequestMirror: {field: requestMirror}
URLRewrite: {field: urlRewrite}
CORS: {field: cors}
ExtensionRef: {field: extensionRef}
ExternalAuth: {field: externalAuth, experimentalSince: "1.4"}
{{- end -}}

{{/* What the API server refuses, for some after the migration's hook has run; and what would cut uploads. */}}
{{- define "tandem.validate.filters" -}}
{{- $types := include "tandem.filterTypes" . | fromYaml -}}
{{- $seen := dict -}}
{{- range $index, $filter := .Values.httpRoute.filters -}}
{{- $where := printf "httpRoute.filters[%d]" $index -}}
{{- $type := $filter.type | default "" | toString -}}
{{- $known := index $types $type -}}
{{- if not $known -}}
{{- fail (printf "%s is of type %q: set it to one of %s." $where $type (keys $types | sortAlpha | join ", ")) -}}
{{- end -}}
{{- $content := index $filter $known.field -}}
{{- if not (and $content (kindIs "map" $content)) -}}
{{- fail (printf "%s is of type %s, but has no %s: add it, as Gateway API has it." $where $type $known.field) -}}
{{- end -}}
{{- with omit $filter "type" $known.field -}}
{{- fail (printf "%s is of type %s, but has %s too: remove it there, or make it a filter of its own." $where $type (keys . | sortAlpha | first)) -}}
{{- end -}}
{{- with $known.experimentalSince -}}
{{- if ne $.Values.httpRoute.channel "experimental" -}}
{{- fail (printf "%s is of type %s, which Gateway API has in its experimental channel only, since %s: set httpRoute.channel to experimental if the cluster has that, or authenticate by an ExtensionRef or a policy of your gateway." $where $type .) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $type "ExternalAuth") (kindIs "map" $content.forwardBody) (dig "forwardBody" "maxSize" 0 $content) -}}
{{- fail (printf "%s.externalAuth.forwardBody is set: remove it, or uploads of more than maxSize are refused." $where) -}}
{{- end -}}
{{- if and (hasKey $seen $type) (ne $type "ExtensionRef") (ne $type "RequestMirror") -}}
{{- fail (printf "%s is the second one of type %s: keep one of them, a rule has no more." $where $type) -}}
{{- end -}}
{{- $_ := set $seen $type true -}}
{{- end -}}
{{- if and .Values.httpRoute.filters (not .Values.httpRoute.enabled) -}}
{{- fail "httpRoute.filters is set, but httpRoute.enabled is false: set it to true, or empty the filters, which would authenticate nobody." -}}
{{- end -}}
{{- end -}}

{{- define "tandem.validate.networkPolicy" -}}
{{- with .Values.networkPolicy -}}
{{- if .enabled -}}
{{- if and (not .database.peers) (not (include "tandem.onSqlite" $)) -}}
{{- fail "networkPolicy.database.peers is empty: name the database's addresses or pods, as [{ipBlock: {cidr: 10.0.5.0/24}}], or metadata cannot reach it." -}}
{{- end -}}
{{- if and (not .objectStore.peers) (not (include "tandem.onDisk" $)) -}}
{{- fail "networkPolicy.objectStore.peers is empty: name the object store's addresses or pods, as [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}], or artifacts cannot reach it." -}}
{{- end -}}
{{- if and (or $.Values.ingress.enabled $.Values.httpRoute.enabled) (not .ingressFrom) -}}
{{- fail "networkPolicy.ingressFrom is empty: name the pods of your ingress controller or gateway, as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: traefik}}}], or no request comes through." -}}
{{- end -}}
{{- if and (or $.Values.monitoring.serviceMonitor.enabled $.Values.monitoring.podMonitor.enabled) (not .scrapeFrom) -}}
{{- fail "networkPolicy.scrapeFrom is empty: name the pods of Prometheus, as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], or nothing is scraped." -}}
{{- end -}}
{{- if and (include "tandem.databaseByIam" $) (not .identity.peers) -}}
{{- fail (printf "networkPolicy.identity.peers is empty, but database.auth is %s: name what hands out credentials, as [{ipBlock: {cidr: 169.254.170.23/32}}] with the port 80 for EKS Pod Identity, or no token is fetched." $.Values.database.auth) -}}
{{- end -}}
{{- $open := dict -}}
{{- range $name := list "database" "objectStore" "identity" -}}
{{- range (index $.Values.networkPolicy $name).peers -}}
{{- if and (has (dig "ipBlock" "cidr" "" .) (list "0.0.0.0/0" "::/0")) (not (dig "ipBlock" "except" list .)) -}}{{- $_ := set $open $name true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (or (include "tandem.onSqlite" $) (include "tandem.onDisk" $)) -}}
{{- /* As text: a number of a values file and one of --set are of different types. */ -}}
{{- $databasePorts := toStrings .database.ports -}}
{{- range toStrings .objectStore.ports -}}
{{- if and (has . $databasePorts) (or $open.database $open.objectStore) -}}
{{- fail (printf "networkPolicy.database and networkPolicy.objectStore both open port %s, one of them to every address: name narrower peers, or metadata and artifacts could reach each other's store." .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (include "tandem.databaseByIam" $) $open.identity (not (include "tandem.onDisk" $)) -}}
{{- $identityPorts := toStrings .identity.ports -}}
{{- range toStrings .objectStore.ports -}}
{{- if has . $identityPorts -}}
{{- fail (printf "networkPolicy.identity opens port %s to every address, at which networkPolicy.objectStore has the object store: name narrower peers, as those of STS's endpoint in your network, or metadata could reach the object store." .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $component := list "metadata" "artifacts" -}}
{{- range $index, $rule := (index $.Values $component).networkPolicy.extraEgress -}}
{{- if not (and $rule.to $rule.ports) -}}
{{- fail (printf "%s.networkPolicy.extraEgress[%d] lacks \"to\" or \"ports\": name both, or it opens more than it says." $component $index) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Paths, certificates and what an ingress controller must be told.
*/}}

{{/* Where artifacts are on a host that both share: MLflow's artifact proxy, for clients and for browsers. */}}
{{- define "tandem.artifactPaths" -}}
{{- if include "tandem.singleHost" . -}}
["{{ .Values.staticPrefix }}/api/2.0/mlflow-artifacts", "{{ .Values.staticPrefix }}/ajax-api/2.0/mlflow-artifacts"]
{{- else -}}
[{{ include "tandem.rootPath" . }}]
{{- end -}}
{{- end -}}

{{/* What all paths of a service begin with. */}}
{{- define "tandem.rootPath" -}}
{{- .Values.staticPrefix | default "/" -}}
{{- end -}}

{{/* Secret with the certificate of a component's host; one host has one certificate. Takes (dict "root" $ "component" …). */}}
{{- define "tandem.tlsSecret" -}}
{{- $tls := .root.Values.ingress.tls -}}
{{- $metadata := default (printf "%s-metadata-tls" (include "tandem.fullname" .root)) $tls.metadataSecretName -}}
{{- $artifacts := default (printf "%s-artifacts-tls" (include "tandem.fullname" .root)) $tls.artifactsSecretName -}}
{{- if or (eq .component "metadata") (include "tandem.singleHost" .root) -}}{{- $metadata -}}{{- else -}}{{- $artifacts -}}{{- end -}}
{{- end -}}

{{/* cert-manager makes one Certificate a Secret: where both Ingresses name the same one, the first alone asks for it. */}}
{{- define "tandem.certManagerAnnotations" -}}
{{- $manager := .root.Values.ingress.tls.certManager -}}
{{- if and .root.Values.ingress.tls.enabled (or (eq .component "metadata") (not (include "tandem.singleHost" .root))) -}}
{{- with $manager.clusterIssuer }}
cert-manager.io/cluster-issuer: {{ . }}
{{- end }}
{{- with $manager.issuer }}
cert-manager.io/issuer: {{ . }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* What controllers that limit bodies and transfers are told: no limit for artifacts, and for artifacts only. Traefik has its
     limits per entry point, which NOTES name. Takes (dict "root" $ "component" …). */}}
{{- define "tandem.controllerAnnotations" -}}
{{- $controller := .root.Values.ingress.controller -}}
{{- $seconds := .root.Values.artifacts.longestTransferSeconds | int64 -}}
{{- if and (eq $controller "f5-nginx") (eq .component "artifacts") -}}
nginx.org/client-max-body-size: "0"
nginx.org/proxy-buffering: "false"
nginx.org/proxy-read-timeout: {{ $seconds }}s
nginx.org/proxy-send-timeout: {{ $seconds }}s
{{- else if eq $controller "f5-nginx" -}}
# As much as tandem-metadata itself takes (--max-body-bytes).
nginx.org/client-max-body-size: 24m
{{- else if and (eq $controller "haproxy") (eq .component "artifacts") -}}
haproxy.org/timeout-server: {{ $seconds }}s
{{- end -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" … "own" map); what values say wins. */}}
{{- define "tandem.ingressAnnotations" -}}
{{- $cert := include "tandem.certManagerAnnotations" . | fromYaml -}}
{{- $controller := include "tandem.controllerAnnotations" . | fromYaml -}}
{{- $tls := include "tandem.podTls.controllerAnnotations" . | fromYaml -}}
{{- include "tandem.annotations" (dict "root" .root "indent" 2 "annotations" (list $controller $tls $cert .root.Values.ingress.annotations .own)) -}}
{{- end -}}

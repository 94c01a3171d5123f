{{/*
TLS of the pods: their certificates, what they are told of them, and how they are probed and scraped.
*/}}

{{- define "tandem.podTls.path" -}}/etc/tandem/pod-tls{{- end -}}

{{/* Secret with tls.crt, tls.key and ca.crt of a component's pods. Takes (dict "root" $ "component" …). */}}
{{- define "tandem.podTls.secret" -}}
{{- default (printf "%s-%s-pod-tls" (include "tandem.fullname" .root) .component) (index .root.Values.podTLS (printf "%sSecretName" .component)) -}}
{{- end -}}

{{/* The forms of a Service's name inside the cluster, as a list. Takes (dict "root" $ "component" …). */}}
{{- define "tandem.serviceNames" -}}
{{- $service := printf "%s-%s" (include "tandem.fullname" .root) .component -}}
{{- $namespaced := printf "%s.%s" $service (include "tandem.namespace" .root) -}}
{{- list $service $namespaced (printf "%s.svc" $namespaced) (printf "%s.svc.%s" $namespaced .root.Values.clusterDomain) | toJson -}}
{{- end -}}

{{/* The name by which whoever calls the pods one by one checks their certificates. */}}
{{- define "tandem.podTls.serverName" -}}
{{- index (include "tandem.serviceNames" . | fromJsonArray) 2 -}}
{{- end -}}

{{/* "true" where clients need a certificate: probes and scrapes, which have none, go to a port of their own, in the clear. */}}
{{- define "tandem.podTls.probesApart" -}}
{{- if and .Values.podTLS.enabled .Values.podTLS.clientAuth -}}true{{- end -}}
{{- end -}}

{{/* Takes (dict "component" …). */}}
{{- define "tandem.podTls.probePort" -}}
{{- ternary "5001" "5501" (eq .component "metadata") -}}
{{- end -}}

{{/* Flags of a component's container. Takes (dict "root" $ "component" …). */}}
{{- define "tandem.podTls.args" -}}
{{- $tls := .root.Values.podTLS -}}
{{- $path := include "tandem.podTls.path" . -}}
{{- if $tls.enabled -}}
- --tls-cert
- {{ $path }}/tls.crt
- --tls-key
- {{ $path }}/tls.key
{{- if eq .component "metadata" }}
- --artifacts-ca
- {{ $path }}/ca.crt
{{- else if include "tandem.authenticates" .root }}
- --metadata-ca
- {{ $path }}/ca.crt
{{- end }}
{{- if $tls.clientAuth }}
- --tls-client-ca
- {{ $path }}/ca.crt
- --tls-client-auth
- {{ $tls.clientAuth }}
# Probes and scrapes have no certificate.
- --probe-port
- {{ include "tandem.podTls.probePort" . | quote }}
{{- if eq .component "metadata" }}
- --artifacts-cert
- {{ $path }}/tls.crt
- --artifacts-key
- {{ $path }}/tls.key
{{- else if include "tandem.authenticates" .root }}
- --metadata-cert
- {{ $path }}/tls.crt
- --metadata-key
- {{ $path }}/tls.key
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Where a component is probed, of its container's ports. Takes (dict "root" $ "component" … "path" "/health"). */}}
{{- define "tandem.probe" -}}
{{- $path := printf "%s%s" .root.Values.staticPrefix .path -}}
{{- if include "tandem.podTls.probesApart" .root -}}
httpGet: {path: {{ $path }}, port: probes}
{{- else if .root.Values.podTLS.enabled -}}
httpGet: {path: {{ $path }}, port: http, scheme: HTTPS}
{{- else -}}
httpGet: {path: {{ $path }}, port: http}
{{- end -}}
{{- end -}}

{{/* What a monitor is told besides its port. Takes (dict "root" $ "component" …). */}}
{{- define "tandem.podTls.scrape" -}}
{{- if and .root.Values.podTLS.enabled (not (include "tandem.podTls.probesApart" .root)) -}}
scheme: https
tlsConfig:
  ca:
    secret:
      name: {{ include "tandem.podTls.secret" . }}
      key: ca.crt
  # Prometheus calls pods by their addresses, which no certificate has.
  serverName: {{ include "tandem.podTls.serverName" . }}
{{- end -}}
{{- end -}}

{{/* Annotations of a Service that Traefik reads. Takes (dict "root" $ "component" …). */}}
{{- define "tandem.podTls.traefik" -}}
{{- if and .root.Values.podTLS.enabled (eq .root.Values.ingress.controller "traefik") -}}
traefik.ingress.kubernetes.io/service.serversscheme: https
traefik.ingress.kubernetes.io/service.serverstransport: {{ include "tandem.namespace" .root }}-{{ include "tandem.fullname" .root }}-{{ .component }}@kubernetescrd
{{- end -}}
{{- end -}}

{{/* Annotations of an Ingress by which other controllers speak TLS to the pods. Takes (dict "root" $ "component" …). */}}
{{- define "tandem.podTls.controllerAnnotations" -}}
{{- $secret := printf "%s/%s" (include "tandem.namespace" .root) (include "tandem.podTls.secret" .) -}}
{{- if .root.Values.podTLS.enabled -}}
{{- if eq .root.Values.ingress.controller "f5-nginx" -}}
# It encrypts, and checks no certificate.
nginx.org/ssl-services: {{ include "tandem.fullname" .root }}-{{ .component }}
{{- else if eq .root.Values.ingress.controller "haproxy" -}}
haproxy.org/server-ssl: "true"
haproxy.org/server-ca: {{ $secret }}
{{- if .root.Values.podTLS.clientAuth }}
haproxy.org/server-crt: {{ $secret }}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
TLS of the pods that nobody has certificates for, or that a part in front of them would not speak.
*/}}

{{- define "tandem.validate.podTls" -}}
{{- with .Values.podTLS -}}
{{- $manager := or .certManager.clusterIssuer .certManager.issuer -}}
{{- if not .enabled -}}
{{- range $name, $set := dict "certManager" $manager "clientAuth" .clientAuth "metadataSecretName" .metadataSecretName "artifactsSecretName" .artifactsSecretName "caConfigMap" .caConfigMap -}}
{{- if $set -}}
{{- fail (printf "podTLS.%s is set, but podTLS.enabled is false: set it to true, or nothing is encrypted between the pods." $name) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- if and .certManager.clusterIssuer .certManager.issuer -}}
{{- fail "podTLS.certManager.clusterIssuer and podTLS.certManager.issuer are both set: keep one." -}}
{{- end -}}
{{- if and (not $manager) (not (and .metadataSecretName .artifactsSecretName)) -}}
{{- fail "podTLS.enabled is true, but nobody makes the certificates: set podTLS.certManager.issuer or clusterIssuer, or name Secrets with tls.crt, tls.key and ca.crt in podTLS.metadataSecretName and podTLS.artifactsSecretName." -}}
{{- end -}}
{{- $metadata := include "tandem.podTls.secret" (dict "root" $ "component" "metadata") -}}
{{- if and $manager (eq $metadata (include "tandem.podTls.secret" (dict "root" $ "component" "artifacts"))) -}}
{{- fail (printf "podTLS.metadataSecretName and podTLS.artifactsSecretName are both %s: give each its own, since cert-manager makes one certificate a Secret." $metadata) -}}
{{- end -}}
{{- if and $.Values.httpRoute.enabled (not .caConfigMap) -}}
{{- fail "podTLS.caConfigMap is empty, but httpRoute.enabled is true: name a ConfigMap with the authority's ca.crt, by which the gateway knows the pods." -}}
{{- end -}}
{{- if and (eq .clientAuth "required") $.Values.ingress.enabled (eq $.Values.ingress.controller "f5-nginx") -}}
{{- fail "podTLS.clientAuth is required, but ingress.controller is f5-nginx, which presents no certificate for an Ingress: set clientAuth to optional, or use another controller." -}}
{{- end -}}
{{- if and .caConfigMap (not $.Values.httpRoute.enabled) -}}
{{- fail "podTLS.caConfigMap is set, but httpRoute.enabled is false: empty it, since gateways alone read it." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

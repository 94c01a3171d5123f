{{/*
What the pods of both components have alike. Each template takes (dict "root" $ "component" "metadata" or "artifacts").
*/}}

{{/* Labels and annotations of a pod. "checksums" (a map) makes pods roll when a generated Secret changes. */}}
{{- define "tandem.podMetadata" -}}
{{- $values := index .root.Values .component -}}
labels:
  {{- include "tandem.labels" . | nindent 2 }}
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $scrape := dict -}}
{{- if .root.Values.monitoring.annotations -}}
{{- $port := ternary "5000" "5500" (eq .component "metadata") -}}
{{- if include "tandem.podTls.probesApart" .root }}{{- $port = include "tandem.podTls.probePort" . }}{{- end -}}
{{- $scrape = dict "prometheus.io/scrape" "true" "prometheus.io/port" $port "prometheus.io/path" (printf "%s/metrics" .root.Values.staticPrefix) -}}
{{- if and .root.Values.podTLS.enabled (not (include "tandem.podTls.probesApart" .root)) }}{{- $_ := set $scrape "prometheus.io/scheme" "https" }}{{- end -}}
{{- end -}}
{{- $kept := dict -}}
{{- with $values.evictable -}}
{{- if not .clusterAutoscaler }}{{- $_ := set $kept "cluster-autoscaler.kubernetes.io/safe-to-evict" "false" }}{{- end -}}
{{- if not .karpenter }}{{- $_ := set $kept "karpenter.sh/do-not-disrupt" "true" }}{{- end -}}
{{- end -}}
{{- include "tandem.annotations" (dict "root" .root "indent" 0 "annotations" (list $scrape .checksums $kept $values.podAnnotations)) }}
{{- end -}}

{{/* What the pods of components and of the migration have alike; takes the component "migration" too. */}}
{{- define "tandem.podIdentity" -}}
{{- $values := index .root.Values .component -}}
serviceAccountName: {{ include "tandem.serviceAccountName" . }}
automountServiceAccountToken: {{ $values.automountServiceAccountToken }}
# Or Services would appear as variables, of which MLFLOW_PORT or TANDEM_… could be taken for settings.
enableServiceLinks: false
{{- with include "tandem.imagePullSecrets" .root }}
{{ . }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
  {{- with $values.appArmorProfile }}
  appArmorProfile:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- range $field := list "hostAliases" "dnsConfig" "nodeSelector" "tolerations" "affinity" }}
{{- with index $values $field }}
{{ $field }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Identity, security and scheduling. */}}
{{- define "tandem.podSettings" -}}
{{- $values := index .root.Values .component -}}
{{- include "tandem.podIdentity" . }}
terminationGracePeriodSeconds: {{ include "tandem.terminationGrace" . }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $own := dict "labelSelector" (dict "matchLabels" (include "tandem.selectorLabels" $ | fromYaml)) "matchLabelKeys" (list "pod-template-hash") }}
  {{- list (ternary . (merge (deepCopy .) $own) (hasKey . "labelSelector")) | toYaml | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Image, port, probes, graceful end and limits of the one container. */}}
{{- define "tandem.containerSettings" -}}
{{- $values := index .root.Values .component -}}
image: {{ include "tandem.image" (dict "root" .root "image" $values.image) }}
imagePullPolicy: {{ $values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
ports:
  - name: http
    containerPort: {{ ternary 5000 5500 (eq .component "metadata") }}
    protocol: TCP
  {{- if include "tandem.podTls.probesApart" .root }}
  - name: probes
    containerPort: {{ include "tandem.podTls.probePort" . }}
    protocol: TCP
  {{- end }}
startupProbe:
  {{- include "tandem.probe" (merge (dict "path" "/health") .) | nindent 2 }}
  {{- toYaml $values.probes.startup | nindent 2 }}
livenessProbe:
  {{- include "tandem.probe" (merge (dict "path" "/health") .) | nindent 2 }}
  {{- toYaml $values.probes.liveness | nindent 2 }}
readinessProbe:
  {{- include "tandem.probe" (merge (dict "path" "/ready") .) | nindent 2 }}
  {{- toYaml $values.probes.readiness | nindent 2 }}
{{- if $values.preStopSeconds }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ $values.preStopSeconds }}
{{- end }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
{{- end -}}

{{/* The root file system is read-only; metrics of several workers are shared by files in /tmp. */}}
{{- define "tandem.volumeMounts" -}}
{{- $values := index .root.Values .component -}}
- name: tmp
  mountPath: /tmp
{{- if .root.Values.podTLS.enabled }}
- name: pod-tls
  mountPath: {{ include "tandem.podTls.path" . }}
  readOnly: true
{{- end }}
{{- if $values.persistence.enabled }}
- name: data
  mountPath: {{ $values.persistence.mountPath }}
{{- end }}
{{- with $values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tandem.volumes" -}}
{{- $values := index .root.Values .component -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ $values.tmpSizeLimit }}
{{- if .root.Values.podTLS.enabled }}
- name: pod-tls
  secret:
    secretName: {{ include "tandem.podTls.secret" . }}
{{- end }}
{{- if $values.persistence.enabled }}
- name: data
  persistentVolumeClaim:
    claimName: {{ $values.persistence.existingClaim | default (printf "%s-%s" (include "tandem.fullname" .root) .component) }}
{{- end }}
{{- with $values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A volume that one node holds, or a file that one process writes, bears no second pod beside the first. */}}
{{- define "tandem.strategy" -}}
{{- $values := index .root.Values .component -}}
{{- if $values.persistence.enabled -}}
type: Recreate
{{- else -}}
{{ toYaml $values.strategy }}
{{- end -}}
{{- end -}}

{{- define "tandem.service" -}}
{{- $service := (index .root.Values .component).service -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "tandem.fullname" .root }}-{{ .component }}
  namespace: {{ include "tandem.namespace" .root }}
  labels:
    {{- include "tandem.labels" . | nindent 4 }}
  {{- include "tandem.annotations" (dict "root" .root "indent" 2 "annotations" (list (include "tandem.podTls.traefik" . | fromYaml) $service.annotations)) }}
spec:
  type: {{ $service.type }}
  {{- range $field := list "loadBalancerClass" "externalTrafficPolicy" "ipFamilyPolicy" "trafficDistribution" }}
  {{- with index $service $field }}
  {{ $field }}: {{ . }}
  {{- end }}
  {{- end }}
  {{- range $field := list "loadBalancerSourceRanges" "ipFamilies" }}
  {{- with index $service $field }}
  {{ $field }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  selector:
    {{- include "tandem.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: {{ $service.port }}
      targetPort: http
      protocol: TCP
      appProtocol: {{ ternary "https" "http" .root.Values.podTLS.enabled }}
{{- end -}}

{{- define "tandem.claim" -}}
{{- $persistence := (index .root.Values .component).persistence -}}
{{- if and $persistence.enabled (not $persistence.existingClaim) -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "tandem.fullname" .root }}-{{ .component }}
  namespace: {{ include "tandem.namespace" .root }}
  labels:
    {{- include "tandem.labels" . | nindent 4 }}
  {{- $keep := dict "helm.sh/resource-policy" "keep" }}
  {{- include "tandem.annotations" (dict "root" .root "indent" 2 "annotations" (list $keep $persistence.annotations)) }}
spec:
  accessModes:
    {{- toYaml $persistence.accessModes | nindent 4 }}
  {{- with $persistence.storageClass }}
  storageClassName: {{ ternary "" . (eq . "-") | quote }}
  {{- end }}
  resources:
    requests:
      storage: {{ $persistence.size }}
{{- end -}}
{{- end -}}

{{/* Utilisation metrics of an HPA; takes an autoscaling map. */}}
{{- define "tandem.resourceMetrics" -}}
{{- range $resource := list "cpu" "memory" -}}
{{- with index $ $resource }}
- type: Resource
  resource:
    name: {{ $resource }}
    target:
      type: Utilization
      averageUtilization: {{ . }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Names, labels, hosts and addresses. Every name that one object uses of another comes from here.
*/}}

{{- define "tandem.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The release's name if it says "tandem" already. 40 characters leave room for suffixes and a Job's hash. */}}
{{- define "tandem.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "tandem.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Where all objects are: the release's namespace, unless a parent chart puts its parts into several. */}}
{{- define "tandem.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" "metadata"). Part of immutable selectors: nothing that changes between versions. */}}
{{- define "tandem.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tandem.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Takes the same; without a component, the labels of an object that belongs to none. */}}
{{- define "tandem.labels" -}}
{{- if .component -}}
{{ include "tandem.selectorLabels" . }}
{{- else -}}
app.kubernetes.io/name: {{ include "tandem.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: tandem
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Takes (dict "root" $ "indent" 2 "annotations" (list map …)); later maps win. Nothing at all where there are none. */}}
{{- define "tandem.annotations" -}}
{{- $all := deepCopy .root.Values.commonAnnotations -}}
{{- range .annotations -}}
{{- $all = mergeOverwrite $all (. | default dict | deepCopy) -}}
{{- end -}}
{{- with $all -}}
{{- printf "annotations:\n%s" (toYaml . | indent 2) | nindent ($.indent | int) -}}
{{- end -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" "metadata"). */}}
{{- define "tandem.serviceAccountName" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- $own := printf "%s-%s" (include "tandem.fullname" .root) (ternary "migrate" .component (eq .component "migration")) -}}
{{- default (ternary $own "default" $account.create) $account.name -}}
{{- end -}}

{{/* Takes (dict "root" $ "image" .Values.metadata.image). A digest wins over the tag, which may stay for readers. */}}
{{- define "tandem.image" -}}
{{- $registry := .root.Values.global.imageRegistry | default .image.registry -}}
{{- $name := printf "%s/%s" $registry .image.repository -}}
{{- if not $registry -}}{{- $name = .image.repository -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Secrets for private registries: the chart's own, then the parent chart's, each once. */}}
{{- define "tandem.imagePullSecrets" -}}
{{- $all := .Values.imagePullSecrets -}}
{{- range .Values.global.imagePullSecrets -}}
{{- $all = append $all (ternary (dict "name" .) . (kindIs "string" .)) -}}
{{- end -}}
{{- with uniq $all -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* "true" where one host serves both, "" where there are two. */}}
{{- define "tandem.singleHost" -}}
{{- if eq .Values.hosts.metadata .Values.hosts.artifacts -}}true{{- end -}}
{{- end -}}

{{/* Takes a host, perhaps with a port; gives it without: routes and certificates know no ports. */}}
{{- define "tandem.hostname" -}}
{{- regexReplaceAll ":[0-9]+$" . "" -}}
{{- end -}}

{{/* Host headers to accept, comma-separated: the public host and the Service's names in the cluster.
     Takes (dict "root" $ "component" "metadata"). */}}
{{- define "tandem.allowedHosts" -}}
{{- $names := include "tandem.serviceNames" . | fromJsonArray -}}
{{- with index .root.Values.hosts .component -}}{{- $names = prepend $names . -}}{{- end -}}
{{- join "," (concat $names ((index .root.Values .component).allowedHosts | default list)) -}}
{{- end -}}

{{/* How pods reach the services, past the ingress. */}}
{{- define "tandem.metadataUrl" -}}
{{- printf "%s://%s-metadata:%v%s" (ternary "https" "http" .Values.podTLS.enabled) (include "tandem.fullname" .) .Values.metadata.service.port .Values.staticPrefix -}}
{{- end -}}

{{- define "tandem.artifactsUrl" -}}
{{- printf "%s://%s-artifacts:%v%s" (ternary "https" "http" .Values.podTLS.enabled) (include "tandem.fullname" .) .Values.artifacts.service.port .Values.staticPrefix -}}
{{- end -}}

{{/* "true" where artifacts are kept in a directory. */}}
{{- define "tandem.onDisk" -}}
{{- if regexMatch "^(/|file:)" .Values.objectStore.destination -}}true{{- end -}}
{{- end -}}

{{- define "tandem.onSqlite" -}}
{{- if eq .Values.database.type "sqlite" -}}true{{- end -}}
{{- end -}}

{{/* "true" where an autoscaler sets the number of replicas. */}}
{{- define "tandem.autoscaled" -}}
{{- $values := index .root.Values .component -}}
{{- if or $values.autoscaling.enabled (dig "keda" "enabled" false $values) -}}true{{- end -}}
{{- end -}}

{{/* What a Deployment says of its replicas; takes (dict "root" $ "component" "artifacts").
     While autoscaled, the number that runs, and at least the fewest: the API server takes a number that vanishes from the manifest
     for 1. A list tells a cluster without the Deployment from no cluster at all, as with helm template and Argo CD: there the
     autoscaler alone is to know. */}}
{{- define "tandem.replicas" -}}
{{- $values := index .root.Values .component -}}
{{- if include "tandem.autoscaled" . -}}
{{- $scaler := ternary $values.keda $values.autoscaling (dig "keda" "enabled" false $values) -}}
{{- with lookup "apps/v1" "Deployment" (include "tandem.namespace" .root) "" -}}
{{- $replicas := int $scaler.minReplicas -}}
{{- range .items -}}
{{- if eq .metadata.name (printf "%s-%s" (include "tandem.fullname" $.root) $.component) -}}
{{- $replicas = max $replicas (dig "spec" "replicas" 0 . | int) -}}
{{- end -}}
{{- end -}}
replicas: {{ $replicas }}
{{- end -}}
{{- else -}}
replicas: {{ $values.replicas }}
{{- end -}}
{{- end -}}

{{/* Seconds in which an artifacts pod lets go: its longest transfer. Metadata has its own value. */}}
{{- define "tandem.gracefulTimeout" -}}
{{- $values := index .root.Values .component -}}
{{- ternary $values.longestTransferSeconds $values.gracefulTimeoutSeconds (eq .component "artifacts") | int64 -}}
{{- end -}}

{{/* preStop, then --shutdown-delay, then --graceful-timeout, then what cleaning up and exiting take. */}}
{{- define "tandem.terminationGrace" -}}
{{- $values := index .root.Values .component -}}
{{- add $values.preStopSeconds $values.shutdownDelaySeconds (include "tandem.gracefulTimeout" . | int) 15 -}}
{{- end -}}

{{/* A number or a quantity: numbers of values files are floats, of which large ones would be written as 1e+06. */}}
{{- define "tandem.quantity" -}}
{{- if kindIs "string" . -}}{{- . -}}{{- else -}}{{- int64 . -}}{{- end -}}
{{- end -}}

{{/* Every object of extraObjects, as it stands in values or as text, with templates in it expanded. */}}
{{- define "tandem.expand" -}}
{{- tpl (ternary .value (toYaml .value) (kindIs "string" .value)) .root -}}
{{- end -}}

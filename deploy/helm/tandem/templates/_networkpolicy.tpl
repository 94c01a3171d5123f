{{/*
Rules that several policies have. A policy of both types denies what no rule allows.
*/}}

{{/* Takes (dict "peers" list "ports" list of numbers "direction" "to"): one rule of egress over TCP. */}}
{{- define "tandem.egress" -}}
- to:
    {{- toYaml .peers | nindent 4 }}
  ports:
    {{- range .ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end -}}

{{/* The database, and where the credentials come from that log in to it. */}}
{{- define "tandem.egressToDatabase" -}}
{{- include "tandem.egress" .Values.networkPolicy.database }}
{{- if include "tandem.databaseByIam" . }}
{{ include "tandem.egress" .Values.networkPolicy.identity }}
{{- end }}
{{- end -}}

{{- define "tandem.egressToDns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns.peers | nindent 4 }}
  ports:
    {{- range .Values.networkPolicy.dns.ports }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end -}}

{{/* What reaches the pods of either component: whoever routes to them, and whoever scrapes them. */}}
{{- define "tandem.ingressFromOutside" -}}
{{- $apart := include "tandem.podTls.probesApart" . -}}
{{- $scrapeFrom := .Values.networkPolicy.scrapeFrom | default list -}}
{{- $ingressFrom := .Values.networkPolicy.ingressFrom | default list -}}
{{- with ternary $ingressFrom (concat $ingressFrom $scrapeFrom) (eq $apart "true") -}}
- from:
    {{- toYaml . | nindent 4 }}
  ports:
    {{- include "tandem.httpPorts" $ | nindent 4 }}
{{- end -}}
{{- if and $apart $scrapeFrom }}
- from:
    {{- toYaml $scrapeFrom | nindent 4 }}
  ports:
    - port: probes
      protocol: TCP
{{- end -}}
{{- end -}}

{{/* Artifacts asks metadata who may do what, where there are accounts. A list, perhaps an empty one. */}}
{{- define "tandem.ingressFromArtifacts" -}}
{{- if include "tandem.authenticates" . -}}
- from:
    {{- include "tandem.peer" (dict "root" . "component" "artifacts") | nindent 4 }}
  ports:
    {{- include "tandem.httpPorts" . | nindent 4 }}
{{- end -}}
{{- end -}}

{{/* Ports at which the pods are called: their own, and those of a mesh's proxies. */}}
{{- define "tandem.httpPorts" -}}
- port: http
  protocol: TCP
{{- range .Values.networkPolicy.mesh.ports }}
- port: {{ . }}
  protocol: TCP
{{- end }}
{{- end -}}

{{/* What all pods need: names looked up, and for a mesh's proxies their control plane. */}}
{{- define "tandem.egressOfAll" -}}
{{- include "tandem.egressToDns" . }}
{{- if .Values.networkPolicy.mesh.controlPlane.peers }}
{{ include "tandem.egress" .Values.networkPolicy.mesh.controlPlane }}
{{- end }}
{{- end -}}

{{/* Takes (dict "root" $ "component" "artifacts"): the pods of a component of this release. */}}
{{- define "tandem.peer" -}}
- podSelector:
    matchLabels:
      {{- include "tandem.selectorLabels" . | nindent 6 }}
{{- end -}}

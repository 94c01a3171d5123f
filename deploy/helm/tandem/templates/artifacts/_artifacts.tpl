{{/*
The object store, which artifacts know and no other pod.
*/}}

{{- define "tandem.artifacts.secret" -}}
{{- if or .Values.objectStore.existingSecret .Values.objectStore.credentials -}}
{{- default (printf "%s-object-store" (include "tandem.fullname" .)) .Values.objectStore.existingSecret -}}
{{- end -}}
{{- end -}}

{{- define "tandem.artifacts.checksums" -}}
{{- with .Values.objectStore.credentials }}
checksum/object-store: {{ sha256sum (toJson .) }}
{{- end }}
{{- end -}}

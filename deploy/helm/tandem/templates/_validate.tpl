{{- define "tandem.validate" -}}
{{- if not .Values.hosts.artifacts -}}
{{- fail "hosts.artifacts is empty: set it to the host name by which clients reach the artifacts service, as artifacts.example.com." -}}
{{- end -}}
{{- end -}}

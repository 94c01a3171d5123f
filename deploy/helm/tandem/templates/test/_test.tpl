{{/*
helm test: a Pod, and what it needs to exist before it.
*/}}

{{/* Takes "-10" or another weight. Account and policies precede the Pod. All are deleted once they succeeded: helm uninstall would
     leave hooks behind, and nobody else is to pass the policies. */}}
{{- define "tandem.test.hook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

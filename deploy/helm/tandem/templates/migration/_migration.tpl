{{/*
The migration: one Job, a Helm hook or a plain Job, and what it needs to exist before it.
*/}}

{{- define "tandem.migration.enabled" -}}
{{- if and .Values.migration.enabled (not (include "tandem.onSqlite" .)) -}}true{{- end -}}
{{- end -}}

{{/* Takes (dict "root" $ "weight" "-5"). As hooks, account, policy and Secret precede the Job, which precedes the release's own
     objects, and are deleted with it once it succeeded: helm uninstall would leave hooks behind. */}}
{{- define "tandem.migration.hook" -}}
{{- if eq .root.Values.migration.mode "hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
{{- end -}}

{{/* A generated Secret is the release's own and comes after hooks: a hook has its own copy. */}}
{{- define "tandem.migration.databaseSecret" -}}
{{- if .Values.migration.existingSecret -}}
{{- .Values.migration.existingSecret -}}
{{- else if and .Values.database.uri (eq .Values.migration.mode "hook") -}}
{{- printf "%s-migrate" (include "tandem.fullname" .) -}}
{{- else -}}
{{- include "tandem.databaseSecret" . -}}
{{- end -}}
{{- end -}}

{{/* The same for the accounts' own database; none where they have none. */}}
{{- define "tandem.migration.accountsSecret" -}}
{{- if .Values.migration.accountsSecret -}}
{{- .Values.migration.accountsSecret -}}
{{- else if and .Values.auth.database.uri (include "tandem.migration.enabled" .) (eq .Values.migration.mode "hook") -}}
{{- printf "%s-migrate-accounts" (include "tandem.fullname" .) -}}
{{- else -}}
{{- include "tandem.auth.databaseSecret" . -}}
{{- end -}}
{{- end -}}

{{/* Names of the Secrets that one of extraObjects makes, as a YAML list; takes the object as a map. */}}
{{- define "tandem.migration.secretsOf" -}}
{{- $name := dig "metadata" "name" "" . -}}
{{- $kind := .kind | default "" -}}
{{- $made := list (dig "spec" "writeConnectionSecretToRef" "name" "" .) -}}
{{- if eq $kind "Secret" -}}
{{- $made = append $made $name -}}
{{- else if eq $kind "ExternalSecret" -}}
{{- $made = append $made (dig "spec" "target" "name" $name .) -}}
{{- else if eq $kind "SealedSecret" -}}
{{- $made = append $made (dig "spec" "template" "metadata" "name" $name .) -}}
{{- else if and (eq $kind "Cluster") (hasPrefix "postgresql.cnpg.io/" (.apiVersion | default "")) -}}
{{- $made = concat $made (list (printf "%s-app" $name) (printf "%s-superuser" $name)) -}}
{{- else if and (eq $kind "postgresql") (hasPrefix "acid.zalan.do/" (.apiVersion | default "")) -}}
{{- range $user, $_ := dig "spec" "users" dict . -}}
{{- $made = append $made (printf "%s.%s.credentials.postgresql.acid.zalan.do" $user $name) -}}
{{- end -}}
{{- end -}}
{{- without $made "" | toYaml -}}
{{- end -}}

{{/* Hooks come before the release's own objects: a Job that needs one of these would wait for it until Helm gives up. */}}
{{- define "tandem.validate.migration" -}}
{{- if and .Values.migration.existingSecret (not .Values.migration.enabled) -}}
{{- fail "migration.existingSecret is set, but migration.enabled is false: empty it, or set migration.enabled to true, since nothing else reads that Secret." -}}
{{- end -}}
{{- if and (include "tandem.migration.enabled" .) (eq .Values.migration.mode "hook") -}}
{{- range $needed := without (list (include "tandem.migration.databaseSecret" .) (include "tandem.migration.accountsSecret" .)) "" -}}
{{- range $index, $value := $.Values.extraObjects -}}
{{- range regexSplit "(?m)^---\\s*$" (include "tandem.expand" (dict "root" $ "value" $value)) -1 -}}
{{- $object := fromYaml . -}}
{{- $late := not (contains "pre-install" (dig "metadata" "annotations" "helm.sh/hook" "" $object)) -}}
{{- if and $late (has $needed (include "tandem.migration.secretsOf" $object | fromYamlArray)) (not (lookup "v1" "Secret" (include "tandem.namespace" $) $needed)) -}}
{{- fail (printf "extraObjects[%d] makes the Secret %s, which the migration's hook needs before it is there: set migration.mode to job, whose Job waits for it, or make the Secret before this release." $index $needed) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The Job's spec; also hashed into a plain Job's name, since a Job cannot be changed. */}}
{{- define "tandem.migration.spec" -}}
{{- $of := dict "root" . "component" "migration" -}}
{{- with .Values.migration -}}
backoffLimit: {{ .backoffLimit }}
{{- if not (kindIs "invalid" .activeDeadlineSeconds) }}
activeDeadlineSeconds: {{ int64 .activeDeadlineSeconds }}
{{- end }}
{{- if not (kindIs "invalid" .ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ int64 .ttlSecondsAfterFinished }}
{{- end }}
template:
  metadata:
    labels:
      {{- include "tandem.labels" $of | nindent 6 }}
      {{- with .podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- $checksums := dict }}
    {{- if and $.Values.database.uri (not .existingSecret) }}
    {{- $checksums = dict "checksum/database" (sha256sum $.Values.database.uri) }}
    {{- end }}
    {{- if and $.Values.auth.database.uri (not .accountsSecret) }}
    {{- $_ := set $checksums "checksum/accounts" (sha256sum $.Values.auth.database.uri) }}
    {{- end }}
    {{- include "tandem.annotations" (dict "root" $ "indent" 4 "annotations" (list $checksums .podAnnotations)) }}
  spec:
    # A failed attempt stays to be read; the next one gets a pod of its own.
    restartPolicy: Never
    {{- include "tandem.podIdentity" $of | nindent 4 }}
    {{- with .initContainers }}
    initContainers:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    containers:
      - name: migrate
        image: {{ include "tandem.image" (dict "root" $ "image" $.Values.metadata.image) }}
        imagePullPolicy: {{ $.Values.metadata.image.pullPolicy }}
        command: ["tandem-metadata"]
        args:
          - db
          - upgrade
          - --wait-seconds
          - {{ .waitSeconds | int64 | quote }}
        env:
          {{- $key := ternary .secretKey $.Values.database.secretKey (not (empty .existingSecret)) }}
          {{- include "tandem.databaseEnv" (dict "root" $ "secret" (include "tandem.migration.databaseSecret" $) "key" $key "user" .user) | nindent 10 }}
          {{- with include "tandem.auth.migrationEnv" $ | trim }}
          {{- . | nindent 10 }}
          {{- end }}
          - name: TMPDIR
            value: /tmp
          {{- with .extraEnv }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
        {{- with .extraEnvFrom }}
        envFrom:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        securityContext:
          {{- toYaml $.Values.containerSecurityContext | nindent 10 }}
        resources:
          {{- toYaml .resources | nindent 10 }}
        volumeMounts:
          - name: tmp
            mountPath: /tmp
          {{- with .extraVolumeMounts }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
    volumes:
      - name: tmp
        emptyDir:
          sizeLimit: 64Mi
      {{- with .extraVolumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
{{- end -}}
{{- end -}}

{{/*
Combinations that would lose, expose or never do something. Each fails with one sentence: the value, what is wrong, what to change.
What a single value may be is values.schema.json's.
*/}}

{{- define "tandem.validate" -}}
{{- include "tandem.validate.hosts" . -}}
{{- include "tandem.validate.names" . -}}
{{- include "tandem.validate.databaseByIam" . -}}
{{- include "tandem.validate.database" . -}}
{{- include "tandem.validate.objectStore" . -}}
{{- range list "metadata" "artifacts" -}}
{{- $of := dict "root" $ "component" . "values" (index $.Values .) -}}
{{- include "tandem.validate.volume" $of -}}
{{- include "tandem.validate.scaling" $of -}}
{{- include "tandem.validate.disruption" $of -}}
{{- include "tandem.validate.strategy" $of -}}
{{- include "tandem.validate.overrides" $of -}}
{{- include "tandem.validate.service" $of -}}
{{- end -}}
{{- include "tandem.validate.separation" . -}}
{{- include "tandem.validate.serviceAccounts" . -}}
{{- include "tandem.validate.labels" . -}}
{{- include "tandem.validate.routing" . -}}
{{- include "tandem.validate.networkPolicy" . -}}
{{- include "tandem.validate.networks" . -}}
{{- include "tandem.validate.podTls" . -}}
{{- include "tandem.validate.monitoring" . -}}
{{- include "tandem.validate.migration" . -}}
{{- include "tandem.validate.gc" . -}}
{{- include "tandem.validate.authentication" . -}}
{{- include "tandem.validate.extraObjects" . -}}
{{- end -}}

{{- define "tandem.validate.hosts" -}}
{{- if not .Values.hosts.artifacts -}}
{{- fail "hosts.artifacts is empty: set it to the host name by which clients reach the artifacts service, as artifacts.example.com." -}}
{{- end -}}
{{- range $name := list "metadata" "artifacts" -}}
{{- with index $.Values.hosts $name -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(:[0-9]{1,5})?$" .) -}}
{{- fail (printf "hosts.%s is %q: set it to a bare host name in lower case, without scheme, path or directory, as %s.example.com." $name . (ternary "mlflow" "artifacts" (eq $name "metadata"))) -}}
{{- end -}}
{{- if gt (regexFind ":[0-9]+$" . | trimPrefix ":" | atoi) 65535 -}}
{{- fail (printf "hosts.%s is %q, whose port is none: set one of at most 65535, or leave it out." $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tandem.validate.database" -}}
{{- with .Values.database -}}
{{- if include "tandem.onSqlite" $ -}}
{{- if or .existingSecret .uri -}}
{{- fail "database.type is sqlite, but database.existingSecret or database.uri is set: empty both, since the file lies on metadata.persistence, or set database.type to postgresql." -}}
{{- end -}}
{{- else if and .existingSecret .uri -}}
{{- fail "database.existingSecret and database.uri are both set: keep one, the Secret that exists or the URI from which one is generated." -}}
{{- else if not (or .existingSecret .uri (include "tandem.databaseInParts" $)) -}}
{{- fail "database.existingSecret and database.uri are both empty: set database.existingSecret to a Secret with the database's URI, or database.type to sqlite to try Tandem out." -}}
{{- else if and (include "tandem.databaseInParts" $) .uri -}}
{{- fail "database.secretKeys.password and database.uri are both set: keep one, the database's parts in database.existingSecret or the URI." -}}
{{- else if and (include "tandem.databaseInParts" $) (not .existingSecret) (or .secretKeys.host .secretKeys.port .secretKeys.user .secretKeys.password .secretKeys.name) -}}
{{- fail "database.secretKeys names keys, but database.existingSecret is empty: name the Secret that has them." -}}
{{- else if and (include "tandem.databaseInParts" $) (not (or .secretKeys.host .host)) -}}
{{- fail "database.secretKeys.host and database.host are both empty: name the key of the Secret that has the host, or the host itself." -}}
{{- else if and (include "tandem.databaseInParts" $) (not (or .secretKeys.user .user)) -}}
{{- fail "database.secretKeys.user and database.user are both empty: name the key of the Secret that has the user, or the user itself." -}}
{{- else if and (not (include "tandem.databaseInParts" $)) (or .secretKeys.host .secretKeys.port .secretKeys.user .secretKeys.name .host .user .parameters $.Values.migration.user) -}}
{{- fail "database.secretKeys.password is empty, but other parts of the database are set: name the key of the password too, or empty them and give a URI." -}}
{{- else if and .uri (not (regexMatch "^postgres(ql)?(\\+[a-z0-9]+)?://" .uri)) -}}
{{- fail "database.uri is no URI of PostgreSQL: begin it with postgresql://, or for SQLite set database.type to sqlite and leave it empty." -}}
{{- else if regexMatch "://|[]@]|^[^/].*/|(^|,)[^:,/]+:[0-9]*(,|$)" .host -}}
{{- fail (printf "database.host is %q: set it to the host alone, as db.example.com, and the port as database.port." .host) -}}
{{- else if and $.Values.migration.user .secretKeys.user -}}
{{- fail "migration.user and database.secretKeys.user are both set: keep one; with migration.existingSecret, the key of that Secret is the migration's user." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Tokens are the password, and travel as it does: there is no other, and TLS is a must. What a Secret holds is not seen here. */}}
{{- define "tandem.validate.databaseByIam" -}}
{{- with .Values.database -}}
{{- $encrypted := "(^|[?&])sslmode=(require|verify-ca|verify-full)(&|$)" -}}
{{- if not (include "tandem.databaseByIam" $) -}}
{{- else if include "tandem.onSqlite" $ -}}
{{- fail (printf "database.auth is %s, but database.type is sqlite: set database.auth to password, since a file has no users, or database.type to postgresql." .auth) -}}
{{- else if .secretKeys.password -}}
{{- fail (printf "database.auth is %s, but database.secretKeys.password is set: empty it, since tokens are fetched instead, or set database.auth to password." .auth) -}}
{{- else if and .uri (include "tandem.databaseInParts" $) -}}
{{- fail "database.host and database.uri are both set: keep one, the database's parts or the URI." -}}
{{- else if and (not (include "tandem.databaseInParts" $)) (or .secretKeys.port .secretKeys.user .secretKeys.name .user .parameters $.Values.migration.user) -}}
{{- fail "database.host is empty, but other parts of the database are set: name the host too, or the key that has it, or empty them and give a URI." -}}
{{- else if regexMatch "^[a-z0-9+]+://[^/?@]*:[^/?@]*@|[?&]password=" .uri -}}
{{- fail (printf "database.auth is %s, but database.uri has a password: remove it, since tokens are fetched instead, or set database.auth to password." .auth) -}}
{{- else if regexMatch "(^|&)password=" .parameters -}}
{{- fail (printf "database.auth is %s, but database.parameters have a password: remove it, since tokens are fetched instead, or set database.auth to password." .auth) -}}
{{- else if and .uri (not (regexMatch $encrypted .uri)) -}}
{{- fail (printf "database.auth is %s, but database.uri does not encrypt: end it with ?sslmode=verify-full&sslrootcert=…, since it carries tokens." .auth) -}}
{{- else if and (include "tandem.databaseInParts" $) (not (regexMatch $encrypted .parameters)) -}}
{{- fail (printf "database.auth is %s, but database.parameters do not encrypt: set them to sslmode=verify-full&sslrootcert=…, since the connection carries tokens." .auth) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the API server refuses, or what would do nothing. Takes (dict "root" $ "component" … "values" …). */}}
{{- define "tandem.validate.service" -}}
{{- $service := .values.service -}}
{{- $component := .component -}}
{{- range $field := list "loadBalancerClass" "loadBalancerSourceRanges" -}}
{{- if and (index $service $field) (ne $service.type "LoadBalancer") -}}
{{- fail (printf "%s.service.%s is set, but %s.service.type is %s: set the type to LoadBalancer, or empty %s." $component $field $component $service.type $field) -}}
{{- end -}}
{{- end -}}
{{- if and $service.externalTrafficPolicy (eq $service.type "ClusterIP") -}}
{{- fail (printf "%s.service.externalTrafficPolicy is set, but %s.service.type is ClusterIP: set the type to NodePort or LoadBalancer, or empty externalTrafficPolicy." $component $component) -}}
{{- end -}}
{{- if and (gt (len $service.ipFamilies) 1) (not (has $service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack"))) -}}
{{- fail (printf "%s.service.ipFamilies has two families, but %s.service.ipFamilyPolicy is not of two: set it to PreferDualStack or RequireDualStack." $component $component) -}}
{{- end -}}
{{- end -}}

{{- define "tandem.validate.objectStore" -}}
{{- with .Values.objectStore -}}
{{- if not .destination -}}
{{- fail "objectStore.destination is empty: set it to s3://bucket/prefix, gs://bucket/prefix, abfss://filesystem@account.dfs.core.windows.net/prefix, minio://host:9000/bucket/prefix or a directory of artifacts.persistence." -}}
{{- end -}}
{{- if not (regexMatch "^(s3://[^/]+|gs://[^/]+|minio://[^/]+/[^/]+|(wasbs|abfss)://[^/@]+@[^/@]+[.]|file:///|/)" .destination) -}}
{{- fail (printf "objectStore.destination is %q: set it to s3://bucket/prefix, gs://bucket/prefix, abfss://filesystem@account.dfs.core.windows.net/prefix, minio://host:9000/bucket/prefix or an absolute directory of artifacts.persistence." .destination) -}}
{{- end -}}
{{- if and .existingSecret .credentials -}}
{{- fail "objectStore.existingSecret and objectStore.credentials are both set: keep one, the Secret that exists or the variables from which one is generated." -}}
{{- end -}}
{{- end -}}
{{- with .Values.metadata.webhooks -}}
{{- if and .existingSecret .encryptionKey -}}
{{- fail "metadata.webhooks.existingSecret and metadata.webhooks.encryptionKey are both set: keep one, the Secret that exists or the key from which one is generated." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What one pod keeps in its volume, no second pod may share; and without a volume it would be gone with the pod. */}}
{{- define "tandem.validate.volume" -}}
{{- $persistence := .values.persistence -}}
{{- $local := ternary (include "tandem.onSqlite" .root) (include "tandem.onDisk" .root) (eq .component "metadata") -}}
{{- $why := ternary "database.type is sqlite" (printf "objectStore.destination is the directory %s" .root.Values.objectStore.destination) (eq .component "metadata") -}}
{{- $other := ternary "database.type to postgresql" "objectStore.destination to a bucket" (eq .component "metadata") -}}
{{- if $local -}}
{{- if not $persistence.enabled -}}
{{- fail (printf "%s, but %s.persistence.enabled is false: set it to true, or all is lost with the pod; or set %s." $why .component $other) -}}
{{- end -}}
{{- if .values.autoscaling.enabled -}}
{{- fail (printf "%s, but %s.autoscaling.enabled is true: set it to false, since one pod alone may use the volume, or set %s." $why .component $other) -}}
{{- end -}}
{{- if dig "keda" "enabled" false .values -}}
{{- fail (printf "%s, but %s.keda.enabled is true: set it to false, since one pod alone may use the volume, or set %s." $why .component $other) -}}
{{- end -}}
{{- if gt (int .values.replicas) 1 -}}
{{- fail (printf "%s, but %s.replicas is %d: set it to 1, since one pod alone may use the volume, or set %s." $why .component (int .values.replicas) $other) -}}
{{- end -}}
{{- else if $persistence.enabled -}}
{{- fail (printf "%s.persistence.enabled is true, but nothing would be kept there: set it to false, or set %s." .component (ternary "database.type to sqlite" "objectStore.destination to a directory of it" (eq .component "metadata"))) -}}
{{- end -}}
{{- if and $local (eq .component "artifacts") -}}
{{- $path := regexReplaceAll "^file://" .root.Values.objectStore.destination "" -}}
{{- if or (contains "/.." $path) (not (hasPrefix (printf "%s/" (trimSuffix "/" $persistence.mountPath)) (printf "%s/" $path))) -}}
{{- fail (printf "objectStore.destination is the directory %s, which is not on the volume: set it to %s or a directory below, or change artifacts.persistence.mountPath." .root.Values.objectStore.destination $persistence.mountPath) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Selectors are made of these labels; a second one of the same name would be another pod's. */}}
{{- define "tandem.validate.labels" -}}
{{- $maps := dict "commonLabels" .Values.commonLabels "metadata.podLabels" .Values.metadata.podLabels "artifacts.podLabels" .Values.artifacts.podLabels "migration.podLabels" .Values.migration.podLabels "gc.podLabels" .Values.gc.podLabels "test.podLabels" .Values.test.podLabels -}}
{{- range $where, $labels := $maps -}}
{{- range $label := list "name" "instance" "component" "version" "managed-by" "part-of" -}}
{{- if hasKey $labels (printf "app.kubernetes.io/%s" $label) -}}
{{- fail (printf "%s has app.kubernetes.io/%s, which the chart sets itself: remove it there." $where $label) -}}
{{- end -}}
{{- end -}}
{{- if ne $where "commonLabels" -}}
{{- range $label, $_ := $labels -}}
{{- if hasKey $.Values.commonLabels $label -}}
{{- fail (printf "%s and commonLabels both have %s: keep one of them." $where $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tandem.validate.monitoring" -}}
{{- if and .Values.monitoring.serviceMonitor.enabled .Values.monitoring.podMonitor.enabled -}}
{{- fail "monitoring.serviceMonitor.enabled and monitoring.podMonitor.enabled are both true: set one to false, or every request is counted twice." -}}
{{- end -}}
{{- range $name := list "serviceMonitor" "podMonitor" -}}
{{- with index $.Values.monitoring $name -}}
{{- if and .enabled .interval .scrapeTimeout (gt (include "tandem.milliseconds" .scrapeTimeout | int64) (include "tandem.milliseconds" .interval | int64)) -}}
{{- fail (printf "monitoring.%s.scrapeTimeout is %s, longer than the interval, which is %s: lower it, or raise the interval." $name .scrapeTimeout .interval) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes a duration, as 1m30s. */}}
{{- define "tandem.milliseconds" -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $unit := regexFind "[a-z]+" . -}}
{{- $sum = add $sum (mul (trimSuffix $unit . | atoi) (index (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit)) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

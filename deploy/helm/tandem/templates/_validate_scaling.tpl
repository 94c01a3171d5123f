{{/*
Autoscalers that could not measure, and budgets that could not be kept. Each takes (dict "root" $ "component" … "values" …).
*/}}

{{- define "tandem.validate.scaling" -}}
{{- $component := .component -}}
{{- $keda := .values.keda | default dict -}}
{{- if and .values.autoscaling.enabled $keda.enabled -}}
{{- fail (printf "%s.autoscaling.enabled and %s.keda.enabled are both true: set one to false, since KEDA makes an autoscaler of its own." $component $component) -}}
{{- end -}}
{{- $requests := .values.resources.requests | default dict -}}
{{- $with := dict "autoscaling" .values.autoscaling "keda" $keda -}}
{{- range $scaler, $scaling := $with -}}
{{- if $scaling.enabled -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "%s.%s.minReplicas is %d, above maxReplicas, which is %d: raise maxReplicas or lower minReplicas." $component $scaler (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- range $resource := list "cpu" "memory" -}}
{{- if and (index $scaling $resource) (not (index $requests $resource)) -}}
{{- fail (printf "%s.%s.%s is set, but %s.resources.requests.%s is not: set the request, of which utilisation is a share, or set %s.%s.%s to null." $component $scaler $resource $component $resource $component $scaler $resource) -}}
{{- end -}}
{{- end -}}
{{- if not (or $scaling.cpu $scaling.memory $scaling.transfersInFlight $scaling.bytesPerSecond $scaling.extraTriggers) -}}
{{- fail (printf "%s.%s.enabled is true, but it has nothing to scale by: set %s.%s.cpu%s." $component $scaler $component $scaler (ternary " or transfersInFlight" "" (eq $component "artifacts"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $keda.enabled (or $keda.transfersInFlight $keda.bytesPerSecond) (not $keda.serverAddress) -}}
{{- fail (printf "%s.keda.serverAddress is empty: set it to the address of Prometheus, as http://prometheus-server.monitoring.svc:80, or scale by cpu alone." $component) -}}
{{- end -}}
{{- end -}}

{{- define "tandem.validate.disruption" -}}
{{- $pdb := .values.pdb -}}
{{- if $pdb.enabled -}}
{{- $hasMin := not (kindIs "invalid" $pdb.minAvailable) -}}
{{- $hasMax := not (kindIs "invalid" $pdb.maxUnavailable) -}}
{{- if not (or $hasMin $hasMax) -}}
{{- fail (printf "%s.pdb has neither minAvailable nor maxUnavailable: set one, or %s.pdb.enabled to false." .component .component) -}}
{{- end -}}
{{- $fewest := int .values.replicas -}}
{{- if .values.autoscaling.enabled -}}{{- $fewest = int .values.autoscaling.minReplicas -}}{{- end -}}
{{- if dig "keda" "enabled" false .values -}}{{- $fewest = int .values.keda.minReplicas -}}{{- end -}}
{{- if and $hasMin (not (kindIs "string" $pdb.minAvailable)) (ge (int $pdb.minAvailable) $fewest) -}}
{{- fail (printf "%s.pdb.minAvailable is %d, with as few as %d pods: lower it, or no pod could be evicted and no node drained." .component (int $pdb.minAvailable) $fewest) -}}
{{- end -}}
{{- if or (eq (toString $pdb.minAvailable) "100%") (and (not $hasMin) (has (toString $pdb.maxUnavailable) (list "0" "0%"))) -}}
{{- fail (printf "%s.pdb forbids every eviction: set %s.pdb.maxUnavailable to 1, or no node could be drained." .component .component) -}}
{{- end -}}
{{- /* Shares of pods are rounded up. */ -}}
{{- if and $hasMin (kindIs "string" $pdb.minAvailable) -}}
{{- if gt (mul (trimSuffix "%" $pdb.minAvailable | atoi) $fewest) (mul 100 (sub $fewest 1)) -}}
{{- fail (printf "%s.pdb.minAvailable is %s, which of %d pods is all: lower it, or no pod could be evicted and no node drained." .component $pdb.minAvailable $fewest) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tandem.validate.strategy" -}}
{{- $rolling := .values.strategy.rollingUpdate | default dict -}}
{{- if and (eq .values.strategy.type "RollingUpdate") (not .values.persistence.enabled) -}}
{{- if and (regexMatch "^0+%?$" (toString $rolling.maxSurge)) (regexMatch "^0+%?$" (toString $rolling.maxUnavailable)) -}}
{{- fail (printf "%s.strategy.rollingUpdate has maxSurge and maxUnavailable of 0: set one to 1, or no pod could be replaced." .component) -}}
{{- end -}}
{{- end -}}
{{- end -}}

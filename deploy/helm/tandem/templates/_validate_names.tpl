{{/*
Names and objects that the API server would refuse, in part after the migration's hook has run.
*/}}

{{- define "tandem.validate.names" -}}
{{- $name := include "tandem.fullname" . -}}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" $name) -}}
{{- fail (printf "Names would begin with %q, which Services may not: set fullnameOverride to lower-case letters, digits and hyphens, a letter first, as tandem." $name) -}}
{{- end -}}
{{- $registries := dict "global.imageRegistry" .Values.global.imageRegistry -}}
{{- range list "metadata" "artifacts" -}}
{{- $_ := set $registries (printf "%s.image.registry" .) (index $.Values .).image.registry -}}
{{- end -}}
{{- range $where, $registry := $registries -}}
{{- if regexMatch "://|/$" ($registry | default "") -}}
{{- fail (printf "%s is %q: set it to the registry without scheme and trailing slash, as registry.example.com/mirror." $where $registry) -}}
{{- end -}}
{{- end -}}
{{- range $index, $secret := .Values.global.imagePullSecrets -}}
{{- $map := ternary (dict "name" $secret) $secret (kindIs "string" $secret) -}}
{{- if not (and $map.name (kindIs "string" $map.name) (eq (len $map) 1)) -}}
{{- fail (printf "global.imagePullSecrets[%d] is %s: set it to the name of a Secret, or to {name: registry} and nothing else." $index (toJson $secret)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Two accounts of one name that the chart makes: one would replace the other, or the hook's keep the release from its own. */}}
{{- define "tandem.validate.serviceAccounts" -}}
{{- $made := dict -}}
{{- $components := list "metadata" "artifacts" -}}
{{- if include "tandem.migration.enabled" . -}}{{- $components = append $components "migration" -}}{{- end -}}
{{- if .Values.test.enabled -}}{{- $components = append $components "test" -}}{{- end -}}
{{- if .Values.gc.enabled -}}{{- $components = append $components "gc" -}}{{- end -}}
{{- range $component := $components -}}
{{- if (index $.Values $component).serviceAccount.create -}}
{{- $name := include "tandem.serviceAccountName" (dict "root" $ "component" $component) -}}
{{- with index $made $name -}}
{{- fail (printf "%s.serviceAccount and %s.serviceAccount both make the account %s: name another, or set create to false in one of them." . $component $name) -}}
{{- end -}}
{{- $_ := set $made $name $component -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Text may hold several objects, or, by a condition in it, none. */}}
{{- define "tandem.validate.extraObjects" -}}
{{- range $index, $object := .Values.extraObjects -}}
{{- range regexSplit "(?m)^---.*$" (include "tandem.expand" (dict "root" $ "value" $object)) -1 -}}
{{- $parsed := fromYaml . -}}
{{- if and (or $parsed (kindIs "map" $object)) (not (and $parsed.apiVersion $parsed.kind)) -}}
{{- fail (printf "extraObjects[%d] is no object of Kubernetes: give it apiVersion and kind, or remove it." $index) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Every network of a policy or a Service in CIDR notation; an address alone is refused. */}}
{{- define "tandem.validate.networks" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $peers := dict "ingressFrom" $policy.ingressFrom "scrapeFrom" $policy.scrapeFrom "mesh.controlPlane.peers" $policy.mesh.controlPlane.peers -}}
{{- range list "dns" "database" "identity" "objectStore" -}}{{- $_ := set $peers (printf "%s.peers" .) (index $policy .).peers -}}{{- end -}}
{{- $networks := dict -}}
{{- range $where, $all := $peers -}}
{{- $_ := set $networks (printf "networkPolicy.%s" $where) (include "tandem.networks" $all | fromJsonArray) -}}
{{- end -}}
{{- range $component := list "metadata" "artifacts" -}}
{{- with index $.Values $component -}}
{{- $_ := set $networks (printf "%s.service.loadBalancerSourceRanges" $component) .service.loadBalancerSourceRanges -}}
{{- range $rules, $way := dict "extraIngress" "from" "extraEgress" "to" -}}
{{- $found := list -}}
{{- range index (index $.Values $component).networkPolicy $rules -}}
{{- $found = concat $found (include "tandem.networks" (index . $way) | fromJsonArray) -}}
{{- end -}}
{{- $_ := set $networks (printf "%s.networkPolicy.%s" $component $rules) $found -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $where, $all := $networks -}}
{{- range $network := $all -}}
{{- if not (regexMatch "^[0-9a-fA-F.:]+/[0-9]{1,3}$" $network) -}}
{{- fail (printf "%s has %q, which is no network: write it with its mask, as %s for one address." $where $network (ternary "2001:db8::7/128" "10.0.5.7/32" (contains ":" $network))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes peers; gives the networks of their blocks, exceptions included, as a JSON array. */}}
{{- define "tandem.networks" -}}
{{- $found := list -}}
{{- range . -}}
{{- with .ipBlock -}}
{{- $found = concat (append $found (.cidr | toString)) (.except | default list) -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

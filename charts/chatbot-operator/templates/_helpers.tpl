{{/* Name of everything: the release's, since a second release is another operator. */}}
{{- define "operator.name" -}}
{{- if contains "chatbot-operator" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-chatbot-operator" (.Release.Name | trunc 33 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods: they never change. */}}
{{- define "operator.selector" -}}
app.kubernetes.io/name: chatbot-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: chatbot
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "operator.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "operator.name" .) -}}
{{- end -}}

{{/* Rights outside the release's namespace are cluster-wide objects, so their name holds the namespace. */}}
{{- define "operator.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "operator.name" .) -}}
{{- end -}}

{{- define "operator.image" -}}
{{- .Values.image | default (printf "chatbot-operator:%s" .Chart.AppVersion) -}}
{{- end -}}

{{- define "operator.workloadImage" -}}
{{- .Values.workloadImage | default (printf "chatbot:%s" .Chart.AppVersion) -}}
{{- end -}}

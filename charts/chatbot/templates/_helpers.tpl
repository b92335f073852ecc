{{- define "chatbot.name" -}}
{{- .Values.name | default .Release.Name -}}
{{- end -}}

{{- define "chatbot.secret" -}}
{{- .Values.apiKey.existingSecret | default (printf "%s-llm" (include "chatbot.name" .)) -}}
{{- end -}}

{{- define "chatbot.labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

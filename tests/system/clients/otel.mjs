// Traces of an application in JavaScript, by OpenTelemetry alone. The variables of its exporters say
// where they go. Argument: the package of the exporter.
import { SpanStatusCode } from '@opentelemetry/api'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

const { OTLPTraceExporter } = await import(process.argv[2])
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'shop', team: 'blue' }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
})
provider.register()
const tracer = provider.getTracer('test')

tracer.startActiveSpan('request', (root) => {
  root.setAttributes({ 'input.value': '{"q": "é"}', 'session.id': 's-js', tries: 3, exact: 0.5, list: ['a', 'b'] })
  tracer.startActiveSpan('chat m-1', (span) => {
    span.setAttributes({
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'm-1',
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.output_tokens': 4,
    })
    span.recordException(new Error('no such page'))
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'no' })
    span.end()
  })
  root.end()
})
await provider.shutdown()

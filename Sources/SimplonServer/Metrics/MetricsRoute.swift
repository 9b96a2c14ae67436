import HTTPTypes
import Hummingbird
import NIOCore
import SimplonCore

extension Route {
  /// `/metrics`: what Prometheus scrapes.
  static func metrics(_ metrics: PrometheusRegistry) -> Route {
    Route(
      path: "/metrics", methods: [.get], name: "getMetrics", tag: "Operation",
      summary: "Gives the metrics as Prometheus text",
      answers: [Answer(status: 200, summary: "text format 0.0.4", media: "text/plain", schema: ["type": "string"])],
      handler: .open { _ in
        Response(
          status: .ok,
          headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8", .cacheControl: "no-store"],
          body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text)))
      })
  }
}

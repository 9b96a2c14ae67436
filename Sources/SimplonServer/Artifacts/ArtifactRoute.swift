import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `/agent/artifacts/{id}`: a file's bytes, whole or a range of them.
  static func artifact(_ runs: Runs, _ configuration: ServerConfiguration, _ metrics: StreamMetrics) -> Route {
    Route(
      path: "/agent/artifacts/{id}", name: "getArtifact", tag: "Artifacts", summary: "Gives a file that a run made",
      shapes: [
        Shape(name: "ArtifactQuery", fields: [Field(name: "id", kind: .uuid, isRequired: true, summary: "the file")])
      ],
      headers: [
        Field(name: "Range", kind: .text(maximum: 256), summary: "one range of bytes"),
        Field(name: "If-Range", kind: .text(maximum: 8192), summary: "the ETag without which the range is the whole"),
        Field(name: "If-None-Match", kind: .text(maximum: 8192), summary: "the ETag of what you have"),
      ],
      answers: [
        Answer(status: 200, summary: "the bytes", media: "*/*", schema: Schema.bytes),
        Answer(status: 206, summary: "the bytes of the range", media: "*/*", schema: Schema.bytes),
        Answer(status: 304, summary: "you have it"),
      ],
      handler: .caller { call, principal in
        let artifact = try await runs.artifact(call.uuid("id"), as: principal)
        let tag = "\"\(artifact.sha256)\""
        var headers: HTTPFields = [
          .eTag: tag, .cacheControl: "private, no-cache", .acceptRanges: "bytes", .xContentTypeOptions: "nosniff",
          .contentSecurityPolicy: "sandbox; default-src 'none'",
        ]
        if ETag.matches(call.request.headers[.ifNoneMatch], tag) {
          return Response(status: .notModified, headers: headers)
        }
        headers[.contentType] = artifact.mime
        headers[.contentDisposition] = ContentDisposition.attachment(artifact.name)
        let range: ByteRange?
        if let condition = call.request.headers[.ifRange], condition != tag {
          range = nil
        } else {
          range = ByteRange(call.request.headers[.range], of: artifact.size)
        }
        let bytes: Range<Int>
        switch range {
        case nil: bytes = 0..<artifact.size
        case .bytes(let part):
          bytes = part
          headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(artifact.size)"
        case .unsatisfiable:
          var response = Response(
            SimplonError(
              .requestRange, "the file has \(artifact.size) bytes; the range is outside of them",
              details: ["size": .integer(artifact.size)]), forFunctions: false)
          response.headers[.contentRange] = "bytes */\(artifact.size)"
          return response
        }
        let body = try await body(of: artifact, bytes, call.context)
        return Response(
          status: range == nil ? .ok : .partialContent, headers: headers,
          body: body.paced(
            on: call.context.channel, stallLimit: configuration.stallLimit, stalled: metrics.stalled))
      })
  }

  private static func body(
    of artifact: StoredArtifact, _ bytes: Range<Int>, _ context: ServerContext
  ) async throws -> ResponseBody {
    guard !bytes.isEmpty else { return ResponseBody() }
    let pattern = context.endpointPath
    do {
      let body = try await FileIO().loadFile(
        path: artifact.file, range: bytes.lowerBound...(bytes.upperBound - 1), context: context)
      guard body.contentLength == bytes.count else {
        throw SimplonError(.storageMismatch, "the file is not as long as when it was stored")
      }
      return body
    } catch let error as HTTPError {
      // FileIO takes an unreadable file for a path that no route has.
      context.coreContext.endpointPath.value = pattern
      throw SimplonError(
        .storageUnavailable, "the file's bytes cannot be read", hint: "try again; else see /ready", retry: .backoff,
        cause: error)
    }
  }
}

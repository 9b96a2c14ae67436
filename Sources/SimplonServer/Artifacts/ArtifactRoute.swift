import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `/agent/artifacts/{id}`: a file's bytes, whole or a range of them.
  static func artifact(_ runs: Runs) -> Route {
    Route(
      path: "/agent/artifacts/{id}", name: "getArtifact", tag: "Artifacts", summary: "Gives a file that a run made",
      shapes: [
        Shape(name: "ArtifactQuery", fields: [Field(name: "id", kind: .uuid, isRequired: true, summary: "the file")])
      ],
      headers: [
        Field(name: "Range", kind: .text(maximum: 256), summary: "one range of bytes"),
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
        switch range {
        case nil:
          return try await body(of: artifact, 0..<artifact.size, .ok, headers, call)
        case .bytes(let bytes):
          headers[.contentRange] = "bytes \(bytes.lowerBound)-\(bytes.upperBound - 1)/\(artifact.size)"
          return try await body(of: artifact, bytes, .partialContent, headers, call)
        case .unsatisfiable:
          var response = Response(
            SimplonError(
              .requestRange, "the file has \(artifact.size) bytes; the range is outside of them",
              details: ["size": .integer(artifact.size)]), forFunctions: false)
          response.headers[.contentRange] = "bytes */\(artifact.size)"
          return response
        }
      })
  }

  private static func body(
    of artifact: StoredArtifact, _ bytes: Range<Int>, _ status: HTTPResponse.Status, _ headers: HTTPFields, _ call: Call
  ) async throws -> Response {
    guard !bytes.isEmpty else { return Response(status: status, headers: headers) }
    do {
      let body = try await FileIO().loadFile(
        path: artifact.file, range: bytes.lowerBound...(bytes.upperBound - 1), context: call.context)
      guard body.contentLength == bytes.count else {
        throw SimplonError(.storageMismatch, "the file is not as long as when it was stored")
      }
      return Response(status: status, headers: headers, body: body)
    } catch let error as HTTPError {
      throw SimplonError(
        .storageUnavailable, "the file's bytes cannot be read", hint: "try again; else see /ready", retry: .backoff,
        cause: error)
    }
  }
}

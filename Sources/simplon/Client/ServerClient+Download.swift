import AsyncHTTPClient
import Glibc
import NIOCore
import SimplonCore
import SystemPackage

extension ServerClient {
  /// Saves an artifact's bytes to a file, which appears when all of them are there.
  ///
  /// - Parameters:
  ///   - id: the artifact.
  ///   - path: the file; one that is there is replaced.
  ///   - progress: is told how many bytes are there.
  /// - Throws: the server's own error; `server.unreachable`; `storage.full`, `storage.unavailable`.
  func download(_ id: String, to path: String, progress: (Int) -> Void = { _ in }) async throws {
    let response = try await send(.get, "/agent/artifacts/\(percentEncoded(id))")
    let partial = "\(path).\(UInt32.random(in: .min ... .max)).part"
    do {
      let file = try FileDescriptor.open(
        FilePath(partial), .writeOnly, options: [.create, .exclusiveCreate],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
      do {
        var count = 0
        for try await chunk in response.body {
          try file.writeAll(chunk.readableBytesView)
          count += chunk.readableBytes
          progress(count)
        }
      } catch {
        try? file.close()
        throw error
      }
      try file.close()
      guard rename(partial, path) == 0 else { throw Errno(rawValue: errno) }
    } catch {
      unlink(partial)
      guard let error = error as? Errno else { throw failure(error) }
      throw SimplonError(
        error == .noSpace ? .storageFull : .storageUnavailable, "the file \(path) cannot be written: \(error)")
    }
  }
}

import Logging
import ServiceLifecycle
import SimplonCore

extension Cluster: Service {
  /// Watches the server until a graceful shutdown, and starts it again when it ends by itself.
  ///
  /// It does not stop the server: whoever started the cluster does, after the services that use it have ended.
  package func run() async throws {
    try? await cancelWhenGracefulShutdown {
      var process = process
      var failures = 0
      let backoff = Backoff(base: .milliseconds(100), cap: .seconds(10))
      while true {
        try await Task.sleep(for: .seconds(1))
        if isAlive(process) { continue }
        logger.error("PostgreSQL ended by itself; starting it again", metadata: ["process": "\(process)"])
        do {
          process = try await postmaster.start(port: port).process
          failures = 0
          logger.notice("PostgreSQL is back", metadata: ["process": "\(process)"])
        } catch let error as SimplonError {
          failures += 1
          logger.error("PostgreSQL does not start", metadata: ["error": "\(error)"])
          try await Task.sleep(for: backoff.delay(attempt: failures))
        }
      }
    }
  }
}

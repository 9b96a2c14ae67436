import Logging
import ServiceLifecycle

/// Does something again and again until graceful shutdown or cancellation: at once while there is something to do, else
/// after five seconds.
///
/// - Parameters:
///   - logger: told once of an outage, however often it is tried.
///   - trouble: what an outage means.
///   - round: gives how much there was to do.
func runRounds(
  logger: Logger, _ trouble: String, _ round: @escaping @Sendable () async throws -> Int
) async {
  await cancelWhenGracefulShutdown {
    var isDown = false
    while !Task.isCancelled {
      do {
        if try await round() > 0 { continue }
        isDown = false
      } catch is CancellationError {
      } catch {
        if !isDown, !Task.isCancelled { logger.warning("\(trouble)", metadata: ["error": "\(error)"]) }
        isDown = true
      }
      try? await Task.sleep(for: .seconds(5))
    }
  }
}

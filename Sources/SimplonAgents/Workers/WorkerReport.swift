import FoundationEssentials

/// What a worker says about itself with each heartbeat.
struct WorkerReport: Sendable {
  let id: UUID
  let name: String
  let version: String
  let slots: Int
  let running: Int
  let sandbox: String
  let draining: Bool
}

import FoundationEssentials
import SimplonCore

/// How a request to a model has ended, as the ledger has it.
struct ModelCallEnd: Sendable, Hashable {
  /// How it is known what it cost.
  enum Basis: String, Sendable, Hashable {
    /// The vendor has said so.
    case usage
    /// The reply broke off after the vendor had said what its input was: its output counts as the most there could be.
    case partial
    /// Nothing is known, and it may be on the bill: it counts as what was reserved.
    case assumed
    /// It is not on the bill.
    case unbilled = "none"
  }

  /// The reservation's.
  let id: UUID
  let basis: Basis
  /// Nil where nothing is known.
  let usage: TokenUsage?

  /// A request that was answered.
  init(_ id: UUID, _ reply: ModelReply) {
    self.id = id
    basis = reply.isUsageReported ? .usage : .assumed
    usage = reply.isUsageReported ? reply.usage : nil
  }

  /// A request that failed.
  init(_ id: UUID, _ error: SimplonError) {
    self.id = id
    let broken = error.cause as? BrokenReply
    usage = broken?.usage
    basis = broken == nil ? .unbilled : broken?.usage == nil ? .assumed : .partial
  }

  /// A request that was reserved and not sent.
  init(unsent id: UUID) {
    self.id = id
    basis = .unbilled
    usage = nil
  }

  /// The end as `simplon.settle_model_calls` takes it.
  var json: JSON {
    var members: [String: JSON] = ["id": .string(id.uuidString), "basis": .string(basis.rawValue)]
    if let usage {
      members["input"] = .integer(usage.input)
      members["cache_read"] = .integer(usage.cacheRead)
      members["cache_write"] = .integer(usage.cacheWrite)
      members["cache_write_hour"] = .integer(usage.cacheWriteHour)
      members["output"] = .integer(usage.output)
    }
    return .object(members)
  }
}

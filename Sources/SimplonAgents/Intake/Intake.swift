import FoundationEssentials
import SimplonCore
import SimplonPostgres
import Synchronization

/// Refuses further runs before the database has more to do than it can: when too many are queued, or when it is slow.
///
/// The queue is not counted for each run: what was counted a moment ago, and what was made through this intake since, is
/// what a run is measured against. The API has one and each worker another one, for child runs and schedules; so several
/// together may pass a limit by what they make within that moment.
final class Intake: Sendable {
  /// Whose part of the queue.
  enum Part: Hashable, Sendable {
    /// One user's; nil is the service.
    case of(UUID?)
    case all
  }

  /// How many runs a part holds, as far as is known.
  private struct Depth {
    var counted = 0
    /// Made since it was counted.
    var made = 0
    /// Being made.
    var pending = 0
    /// When it is counted again.
    var until: ContinuousClock.Instant

    var runs: Int { counted + made + pending }
  }

  private struct State {
    var depths: [Part: Depth] = [:]
    var underWay: [Int: (user: UUID?, since: ContinuousClock.Instant)] = [:]
    var last = 0
  }

  /// Users that are remembered at a time.
  private static let most = 10_000
  /// Users with a run that takes too long to make before it is the database that is slow.
  private static let fewestSlow = 4

  private let limits: IntakeLimits
  private let count: @Sendable (Part, Int) async throws -> Int
  private let state = Mutex(State())

  /// Makes an intake; `count` counts a part of the queue up to a limit.
  init(limits: IntakeLimits, count: @escaping @Sendable (Part, Int) async throws -> Int) {
    self.limits = limits
    self.count = count
  }

  /// Makes a run, unless there is too much to do already.
  ///
  /// - Parameters:
  ///   - user: whose run it is.
  ///   - isQueued: whether what was made is one more run in the queue.
  ///   - make: makes it.
  /// - Returns: what `make` returns.
  /// - Throws: `run.queue_full`, `server.overloaded`; and what `make` throws.
  func admit<Result: Sendable>(
    _ user: UUID?, isQueued: (Result) -> Bool, _ make: () async throws -> Result
  ) async throws -> Result {
    let number = try begin(user)
    defer { state.withLock { $0.underWay[number] = nil } }
    var taken = [Part]()
    var made = false
    defer { for part in taken { leave(part, made: made) } }
    for (part, limit) in [(Part.of(user), limits.perUser), (Part.all, limits.total)] {
      guard let limit else { continue }
      try await take(part, limit)
      taken.append(part)
    }
    let result = try await make()
    made = isQueued(result)
    return result
  }

  /// Notes that a run is being made.
  ///
  /// It refuses when half of the users whose runs are being made wait for too long, and they are four or more; and a
  /// user with two of his own that do: what a few make slow for themselves is not the others' business.
  private func begin(_ user: UUID?) throws(SimplonError) -> Int {
    let now = ContinuousClock.now
    let number = state.withLock { state -> Int? in
      let late = state.underWay.values.filter { now - $0.since > limits.patience }.map(\.user)
      let (slow, all) = (Set(late), Set(state.underWay.values.map(\.user)))
      let isSlow = slow.count >= Self.fewestSlow && slow.count * 2 >= all.count
      guard !isSlow, late.count(where: { $0 == user }) < 2 else { return nil }
      state.last += 1
      state.underWay[state.last] = (user, now)
      return state.last
    }
    guard let number else {
      throw SimplonError(
        .serverOverloaded, "the database is slow, so no further runs are taken now",
        hint: "Send the request again, with the same Idempotency-Key, after the time in Retry-After.",
        retry: .after(.seconds(2)))
    }
    return number
  }

  private func take(_ part: Part, _ limit: Int) async throws {
    if let before = isDue(part) {
      let found = try await count(part, limit)
      state.withLock { state in
        guard var depth = state.depths[part] else { return }
        depth.counted = found
        // What was made while it was counted may be in it or not.
        depth.made = max(0, depth.made - before)
        depth.until = ContinuousClock.now + Self.validity(found)
        state.depths[part] = depth
      }
    }
    let wait = state.withLock { state -> Duration? in
      let now = ContinuousClock.now
      var depth = state.depths[part] ?? Depth(until: now)
      guard depth.runs < limit else { return max(depth.until - now, .seconds(1)) }
      depth.pending += 1
      state.depths[part] = depth
      return nil
    }
    guard let wait else { return }
    let whose = part == .all ? "runs" : "of your runs"
    throw SimplonError(
      .runQueueFull, "\(limit) \(whose) are queued, and no more may be",
      hint: "Send the request again when some have been taken up, after the time in Retry-After.",
      details: ["limit": .integer(limit)], retry: .after(wait))
  }

  /// Whether it is for this caller to count: then what was made since the last time.
  private func isDue(_ part: Part) -> Int? {
    state.withLock { state in
      let now = ContinuousClock.now
      if state.depths.count > Self.most {
        state.depths = state.depths.filter { $0.value.pending > 0 || $0.value.until > now }
      }
      guard let depth = state.depths[part] else {
        // Until it is known, whoever comes counts too.
        state.depths[part] = Depth(until: now)
        return 0
      }
      guard depth.until <= now else { return nil }
      if depth.counted > 0 { state.depths[part]?.until = now + .seconds(1) }
      return depth.made
    }
  }

  private func leave(_ part: Part, made: Bool) {
    state.withLock { state in
      state.depths[part]?.pending -= 1
      if made { state.depths[part]?.made += 1 }
    }
  }

  /// For how long a count holds: what is long takes long to count.
  private static func validity(_ runs: Int) -> Duration { .seconds(1) + .milliseconds(runs / 20) }
}

import SimplonCore
import Synchronization

/// One token bucket per name, in bounded memory.
///
/// Buckets live in two generations. When the young one is full it becomes the old one, and the old one is forgotten: a
/// bucket nobody touched for a whole generation had time to fill up anyway, unless so many callers come at once that
/// forgetting one is the lesser evil.
final class TokenBuckets: Sendable {
  private struct Bucket {
    var tokens: Double
    var at: ContinuousClock.Instant
  }

  private struct Generations {
    var young: [String: Bucket] = [:]
    var old: [String: Bucket] = [:]
  }

  private let rate: ServerConfiguration.Rate
  private let capacity: Int
  private let generations = Mutex(Generations())

  /// Makes the buckets.
  ///
  /// - Parameters:
  ///   - rate: size and refill of each.
  ///   - capacity: how many names a generation remembers; memory holds at most twice as many.
  init(rate: ServerConfiguration.Rate, capacity: Int = 10_000) {
    self.rate = rate
    self.capacity = capacity
  }

  /// Takes a token.
  ///
  /// - Returns: nil when there was one, else the time until there will be.
  func take(_ name: String, at now: ContinuousClock.Instant) -> Duration? {
    generations.withLock { generations in
      var bucket = generations.young[name] ?? generations.old[name] ?? Bucket(tokens: rate.burst, at: now)
      bucket.tokens = min(rate.burst, bucket.tokens + max(0, (now - bucket.at).seconds) * rate.perSecond)
      bucket.at = max(now, bucket.at)
      let wait: Duration? = bucket.tokens >= 1 ? nil : .seconds((1 - bucket.tokens) / rate.perSecond)
      if wait == nil { bucket.tokens -= 1 }
      if generations.young.count >= capacity, generations.young[name] == nil {
        generations.old = generations.young
        generations.young = [:]
      }
      generations.young[name] = bucket
      return wait
    }
  }

  /// How many buckets are remembered.
  var count: Int { generations.withLock { $0.young.count + $0.old.count } }
}

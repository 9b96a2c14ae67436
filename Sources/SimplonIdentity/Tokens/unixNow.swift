#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The system's clock in whole Unix seconds.
@Sendable package func unixNow() -> Int { Int(Date().timeIntervalSince1970) }

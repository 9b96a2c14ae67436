package import FoundationEssentials
import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension BlobStore {
  /// Removes what nobody refers to any more, and what broken-off writes left behind.
  ///
  /// Blobs are written before the row that refers to them, so young ones are spared whatever `used` says; one that
  /// is stored again while this runs is young. Others may read and write meanwhile, on other hosts too.
  ///
  /// - Parameters:
  ///   - age: how long ago a blob must have been stored last; longer than any step may take.
  ///   - used: gets a user, or nil for the shared files, and answers with the hashes of all that rows refer to,
  ///     themselves or through a layer; nil to keep everything.
  /// - Returns: how many blobs were removed.
  /// - Throws: `storage.unavailable`, `CancellationError`, and what `used` throws.
  package func sweep(
    olderThan age: Duration, used: @Sendable (UUID?) async throws -> Set<String>?
  ) async throws -> Int {
    let limit = Int(time(nil)) - Int(age.components.seconds)
    var removed = 0
    for folder in try await offPool({ Self.names(in: root) }) {
      // Another program's folder, such as a disk's lost+found, is not ours to sweep.
      let user = UUID(uuidString: folder)
      guard folder == self.folder(of: user) else { continue }
      let old = try await offPool {
        Self.names(in: "\(root)/\(folder)").filter { Blob.isHash($0) && Self.isOld("\(root)/\(folder)/\($0)", limit) }
      }
      if old.isEmpty { continue }
      try Task.checkCancellation()
      guard let used = try await used(user) else { continue }
      removed += try await offPool {
        try old.count { try !used.contains($0) && remove("\(folder)/\($0)", notTouchedSince: limit) }
      }
    }
    try await offPool {
      for name in Self.names(in: root + "/.incoming") where Self.isOld("\(root)/.incoming/\(name)", limit) {
        unlink("\(root)/.incoming/\(name)")
      }
    }
    return removed
  }

  private static func isOld(_ path: String, _ limit: Int) -> Bool {
    var info = stat()
    return lstat(path, &info) == 0 && info.st_mtim.tv_sec < limit
  }

  private static func names(in folder: String) -> [String] {
    guard let listing = try? File(folder, O_RDONLY | O_DIRECTORY, for: "sweep the file store") else { return [] }
    return ((try? listing.names()) ?? []).compactMap(\.text)
  }
}

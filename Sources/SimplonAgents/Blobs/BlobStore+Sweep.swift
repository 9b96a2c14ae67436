import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension BlobStore {
  /// Removes what nobody refers to any more, and what broken-off writes left behind.
  ///
  /// Blobs are written before the row that refers to them, so young ones are spared whatever `sparing` says; one that
  /// is stored again while this runs is young. Others may read and write meanwhile, on other hosts too.
  ///
  /// - Parameters:
  ///   - age: how long ago a blob must have been stored last; longer than any step may take.
  ///   - sparing: gets up to 500 names, `{user id}/{sha256}`, and answers with those that are referred to.
  /// - Returns: how many blobs were removed.
  /// - Throws: `storage.unavailable`, `CancellationError`, and what `sparing` throws.
  package func sweep(
    olderThan age: Duration, sparing: @Sendable ([String]) async throws -> Set<String>
  ) async throws -> Int {
    let limit = Int(time(nil)) - Int(age.components.seconds)
    var removed = 0
    for folder in try await offPool({ Self.names(in: root) }) where !folder.hasPrefix(".") {
      let old = try await offPool {
        Self.names(in: "\(root)/\(folder)").filter { Blob.isHash($0) && Self.isOld("\(root)/\(folder)/\($0)", limit) }
      }
      var rest = old.map { "\(folder)/\($0)" }[...]
      while !rest.isEmpty {
        try Task.checkCancellation()
        let batch = Array(rest.prefix(500))
        rest = rest.dropFirst(500)
        let spared = try await sparing(batch)
        removed += try await offPool {
          try batch.count { try !spared.contains($0) && remove($0, notTouchedSince: limit) }
        }
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

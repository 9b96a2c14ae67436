/// What a `Range` header asks of so many bytes.
///
/// - Source: RFC 9110, section 14. A header we cannot read, and one that asks for several ranges, is ignored, as the
///   standard allows: the whole file is the answer.
enum ByteRange: Equatable {
  /// These bytes; never none.
  case bytes(Range<Int>)
  /// None of the bytes that there are.
  case unsatisfiable

  /// Reads a header; nil where the whole is the answer.
  init?(_ header: String?, of size: Int) {
    guard let header, header.hasPrefix("bytes=") else { return nil }
    let ends = header.dropFirst(6).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) })
    else {
      return nil
    }
    // A number of digits that no Int holds lies beyond every file.
    let first = ends[0].isEmpty ? nil : Int(ends[0]) ?? .max
    let last = ends[1].isEmpty ? nil : Int(ends[1]) ?? .max
    switch (first, last) {
    case (nil, nil): return nil
    case (nil, .some(let count)):
      self = count == 0 || size == 0 ? .unsatisfiable : .bytes(max(0, size - min(count, size))..<size)
    case (.some(let first), let last):
      if let last, last < first { return nil }
      self = first >= size ? .unsatisfiable : .bytes(first..<(min(last ?? .max, size - 1) + 1))
    }
  }
}

/// Entity tags.
enum ETag {
  /// Whether an `If-None-Match` header names the tag; weak tags count as the strong ones they are made of.
  ///
  /// - Source: RFC 9110, section 13.1.2.
  static func matches(_ header: String?, _ tag: String) -> Bool {
    guard let header else { return false }
    return header.split(separator: ",").contains { candidate in
      let text = candidate.filter { $0 != " " && $0 != "\t" }
      return text == "*" || text == tag || text == "W/" + tag
    }
  }
}

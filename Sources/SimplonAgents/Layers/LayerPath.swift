package import SimplonCore

/// The place of a file in a work folder: relative, `/` between names, no `.`, `..` or empty name.
///
/// Two paths are one only when their bytes are: to the file system `é` in one code point and in two are two names, while
/// Swift's strings call them equal. Paths sort by bytes, so a folder comes before what is in it.
package struct LayerPath: Hashable, Comparable, Sendable {
  /// The path as it was given.
  package let text: String

  /// Bytes of a whole path.
  ///
  /// - Source: Linux, PATH_MAX, less what the work folder's own path takes.
  package static let limit = 2048
  /// Names in a path; the guard's walk ends there too.
  package static let depthLimit = 64

  /// Reads a path.
  ///
  /// - Throws: `tool.path` with what is wrong.
  package init(_ text: String) throws(SimplonError) {
    func wrong(_ what: String) -> SimplonError {
      SimplonError(.toolPath, "the path \"\(text.prefix(128))\" \(what)", hint: "paths are relative to the work folder")
    }
    let bytes = text.utf8
    guard !bytes.isEmpty, bytes.count <= Self.limit else { throw wrong("must have 1 to \(Self.limit) bytes") }
    guard !bytes.contains(0) else { throw wrong("holds U+0000") }
    guard bytes.first != UInt8(ascii: "/") else { throw wrong("is absolute") }
    let names = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard names.count <= Self.depthLimit else { throw wrong("has more than \(Self.depthLimit) names") }
    for name in names {
      guard !name.isEmpty else { throw wrong("has an empty name between slashes") }
      guard name.count <= 255 else { throw wrong("has a name of more than 255 bytes") }
      guard !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) else { throw wrong("leaves the work folder") }
    }
    self.text = text
  }

  private init(checked text: Substring) { self.text = String(text) }

  /// The folder it is in; nil for one at the top.
  package var parent: LayerPath? {
    text.utf8.lastIndex(of: UInt8(ascii: "/")).map { LayerPath(checked: text[..<$0]) }
  }

  /// Whether it is somewhere below another path.
  package func isBelow(_ folder: LayerPath) -> Bool {
    let own = text.utf8
    let count = folder.text.utf8.count
    return own.count > count && own.starts(with: folder.text.utf8) && own.dropFirst(count).first == UInt8(ascii: "/")
  }

  package static func == (one: LayerPath, other: LayerPath) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

  package static func < (one: LayerPath, other: LayerPath) -> Bool {
    one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

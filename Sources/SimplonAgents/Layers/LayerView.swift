package import SimplonCore

/// The files that a step finds: all of its ancestors' layers, joined.
///
/// Every path's folder is in it, as a folder.
package struct LayerView: Sendable {
  /// Everything that is there, by path; no ``LayerEntry/deleted``.
  package let entries: [LayerPath: LayerEntry]

  /// The empty folder.
  package init() { entries = [:] }

  /// Only ``LayerStack`` makes others: it has checked that they hang together.
  init(joined entries: [LayerPath: LayerEntry]) { self.entries = entries }

  /// The sum of the files' lengths, in bytes.
  package var size: Int {
    entries.values.reduce(0) { sum, entry in
      guard case .file(_, let blob) = entry else { return sum }
      let (total, tooMuch) = sum.addingReportingOverflow(blob.size)
      return tooMuch ? .max : total
    }
  }

  /// The files that one of the patterns matches, sorted by path; links and folders are none.
  ///
  /// - Throws: `plan.invalid` for a pattern that cannot be read.
  package func artifacts(matching patterns: [String]) throws(SimplonError) -> [ArtifactFile] {
    var globs = [Glob]()
    for pattern in patterns { globs.append(try Glob(pattern)) }
    return entries.sorted { $0.key < $1.key }.compactMap { path, entry in
      guard case .file(_, let blob) = entry, globs.contains(where: { $0.matches(path.text) }) else { return nil }
      return ArtifactFile(path: path.text, blob: blob, mime: MIMEType.of(path.text))
    }
  }
}

/// A file that a run gives to its owner.
package struct ArtifactFile: Hashable, Sendable {
  /// Relative to the work folder.
  package let path: String
  /// Its content.
  package let blob: Blob
  /// By its name's ending; `application/octet-stream` for others.
  package let mime: String
}

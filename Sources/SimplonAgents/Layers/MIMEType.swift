/// Media types by the ending of a file's name.
///
/// - Source: IANA media type registry; `text/…` says utf-8, as text from tools is.
package enum MIMEType {
  /// The type of a file of that name.
  package static func of(_ path: String) -> String {
    guard let dot = path.utf8.lastIndex(of: UInt8(ascii: ".")) else { return unknown }
    return types[path[path.index(after: dot)...].lowercased()] ?? unknown
  }

  private static let unknown = "application/octet-stream"
  private static let types = [
    "avif": "image/avif", "bmp": "image/bmp", "bz2": "application/x-bzip2", "css": "text/css; charset=utf-8",
    "csv": "text/csv; charset=utf-8", "gif": "image/gif", "gz": "application/gzip", "htm": "text/html; charset=utf-8",
    "html": "text/html; charset=utf-8", "jpeg": "image/jpeg", "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json", "jsonl": "application/jsonl", "log": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8", "mp3": "audio/mpeg", "mp4": "video/mp4",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf", "png": "image/png", "py": "text/x-python; charset=utf-8", "sql": "application/sql",
    "sqlite": "application/vnd.sqlite3", "svg": "image/svg+xml", "tar": "application/x-tar",
    "tsv": "text/tab-separated-values; charset=utf-8", "txt": "text/plain; charset=utf-8", "wav": "audio/wav",
    "webp": "image/webp", "xml": "application/xml", "yaml": "application/yaml", "yml": "application/yaml",
    "zip": "application/zip",
  ]
}

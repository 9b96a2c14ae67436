/// One file of the page at `/`, compiled into the binary.
///
/// The files lie in `Files/`. A test compares the list with the folder. (The package manager names each after its file,
/// with `_` for what no name has.)
struct PageFile: Sendable {
  /// All of them.
  static let all = [
    PageFile("index.html", "text/html", PackageResources.index_html),
    PageFile("icon.svg", "image/svg+xml", PackageResources.icon_svg),
    PageFile("app.css", "text/css", PackageResources.app_css),
    PageFile("run.css", "text/css", PackageResources.run_css),
    script("actions", PackageResources.actions_js),
    script("api", PackageResources.api_js),
    script("app", PackageResources.app_js),
    script("create", PackageResources.create_js),
    script("dom", PackageResources.dom_js),
    script("files", PackageResources.files_js),
    script("fork", PackageResources.fork_js),
    script("format", PackageResources.format_js),
    script("graph", PackageResources.graph_js),
    script("layout", PackageResources.layout_js),
    script("log", PackageResources.log_js),
    script("messages", PackageResources.messages_js),
    script("questions", PackageResources.questions_js),
    script("run", PackageResources.run_js),
    script("runs", PackageResources.runs_js),
    script("status", PackageResources.status_js),
    script("steps", PackageResources.steps_js),
    script("stream", PackageResources.stream_js),
    script("value", PackageResources.value_js),
  ]

  /// The name in the folder.
  let name: String
  /// The media type.
  let media: String
  let bytes: [UInt8]
  /// Another one whenever the bytes are.
  let tag: String

  /// Where it is served.
  var path: String { name == "index.html" ? "/" : "/page/\(name)" }

  private init(_ name: String, _ media: String, _ bytes: [UInt8]) {
    self.name = name
    self.media = media
    self.bytes = bytes
    self.tag = "\"\(Self.digest(bytes))\""
  }

  private static func script(_ name: String, _ bytes: [UInt8]) -> PageFile {
    PageFile("\(name).js", "text/javascript", bytes)
  }

  /// FNV-1a of 64 bits: nobody gains by a tag that two files share, so it need not withstand anybody.
  ///
  /// - Source: Fowler, Noll and Vo, with their offset and prime.
  private static func digest(_ bytes: [UInt8]) -> String {
    let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    return String(hash, radix: 16)
  }
}

/// What a private cluster is asked to be.
package struct ClusterOptions: Hashable, Sendable {
  /// The data folder; made when it is not there.
  package var folder: String
  /// The port on 127.0.0.1, 0 for any free one, nil for the Unix socket alone.
  package var port: Int?
  /// The folder of the server programs, when the user names one.
  package var programs: String?
  /// Where the programs are looked for otherwise.
  package var places: ServerPrograms.Places
  /// Whether a commit survives a power cut; only tests say no.
  package var durable: Bool

  /// Makes options.
  package init(
    folder: String, port: Int?, programs: String? = nil, places: ServerPrograms.Places = .usual, durable: Bool = true
  ) {
    self.folder = folder
    self.port = port
    self.programs = programs
    self.places = places
    self.durable = durable
  }
}

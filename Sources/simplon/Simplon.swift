import ArgumentParser

@main struct Simplon: AsyncParsableCommand {
  mutating func run() async throws {}
}

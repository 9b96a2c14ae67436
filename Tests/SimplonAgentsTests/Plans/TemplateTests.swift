import SimplonCore
import Testing

@testable import SimplonAgents

@Suite struct TemplateTests {
  private let scope = Expression.Scope(run: ["id": "r1"]) { _ in
    let list: JSON = [1, ["b": nil, "a": true]]
    return SettledStep(status: .completed, output: ["n": .number("1.50"), "text": "h\u{e9}", "list": list])
  }

  @Test(
    arguments: [
      ("${{ steps.a.output.n }}", JSON.number("1.50")), ("${{steps.a.output.list}}", [1, ["b": nil, "a": true]]),
      ("${{ steps.a.output.missing }}", nil), ("${{ steps.a.output.n == 1.5 }}", true),
      (" ${{ steps.a.output.n }}", " 1.50"), ("${{ steps.a.output.n }}\n", "1.50\n"),
      ("${{ steps.a.output.text }}${{ run.id }}", "h\u{e9}r1"),
      ("\u{1F600}${{ steps.a.output.list }}!", "\u{1F600}[1,{\"a\":true,\"b\":null}]!"),
      ("is ${{ steps.a.output.missing }}", "is null"), ("${{ steps.a.output['}}'] }}", nil), ("$${{ run.id }}", "$r1"),
      ("plain", "plain"), ("$ {{ x }} {{ y }}", "$ {{ x }} {{ y }}"), ("${ {x} }", "${ {x} }"), ("", ""),
    ] as [(String, JSON)])
  func `one expression alone keeps its type and is text among text`(text: String, value: JSON) throws {
    #expect(try Resolver.resolve(.string(text), in: scope) == value)
  }

  @Test func `values are resolved wherever they stand and never twice`() throws {
    let scope = Expression.Scope(run: [:]) { _ in SettledStep(status: .completed, output: "${{ run.id }}") }
    let value: JSON = ["a": ["${{ steps.x.output }}", 1], "b": ["c": "=${{ steps.x.output }}", "d": nil]]
    #expect(
      try Resolver.resolve(value, in: scope) == ["a": ["${{ run.id }}", 1], "b": ["c": "=${{ run.id }}", "d": nil]])
  }

  @Test(arguments: ["${{", "${{ run.id", "${{ run.id }", "${{ run.id }} and ${{", "${{ run.id } }", "${{ 'a }}' }}"])
  func `an expression that does not end is refused`(text: String) {
    #expect(failure { try Template(text) }?.code == .planExpression)
  }

  @Test func `the name of a member is no place for an expression`() {
    #expect(failure { try Template.stepIDs(in: ["x": ["${{ run.id }}": 1]]) }?.code == .planExpression)
  }

  @Test func `what grows past four mebibytes is refused`() {
    let big = SettledStep(status: .completed, output: .string(String(repeating: "x", count: 3 << 20)))
    let scope = Expression.Scope(run: [:]) { _ in big }
    #expect(failure { try Resolver.resolve("${{ steps.a.output }}", in: scope) } == nil)
    #expect(
      failure { try Resolver.resolve(["${{ steps.a.output }}", "${{ steps.a.output }}"], in: scope) }?.code
        == .planTooLarge)
    #expect(
      failure { try Resolver.resolve("${{ steps.a.output }}${{ steps.a.output }}", in: scope) }?.code == .planTooLarge)
  }

  @Test func `what nests past sixty four levels is refused`() {
    let deep = (1...63).reduce(JSON.null) { inner, _ in [inner] }
    let scope = Expression.Scope(run: [:]) { _ in SettledStep(status: .completed, output: deep) }
    #expect(failure { try Resolver.resolve(["${{ steps.a.output }}"], in: scope) } == nil)
    #expect(failure { try Resolver.resolve([["${{ steps.a.output }}"]], in: scope) }?.code == .planTooLarge)
  }
}

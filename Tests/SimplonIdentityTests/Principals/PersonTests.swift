import FoundationEssentials
import Testing

@testable import SimplonIdentity

@Suite struct PersonTests {
  // From Python: str(uuid5(uuid5(NAMESPACE_URL, issuer), subject))
  @Test(arguments: [
    ("https://a.example", "1", "f77e411d-3720-502f-aee7-55394a91d791"),
    ("https://a.example/", "1", "0b17a03e-b754-5782-b67b-db9d243f7df2"),
    ("https://b.example", "1", "25fcbd57-ab48-5757-89d7-851aefdf836f"),
    ("https://a.example", "Ünïcode", "18265132-0e90-5db9-ac6c-b21c82ccec9b"),
    ("", "x", "71379374-3c80-57f9-b82d-1ca1731ad7bc"),
  ])
  func `a foreign person has the UUID that RFC 9562 gives`(_ issuer: String, _ subject: String, _ person: String) {
    #expect(UUID(issuer: issuer, subject: subject).uuidString.lowercased() == person)
  }
}

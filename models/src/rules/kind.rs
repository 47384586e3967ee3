//! The labels the rules can give.

/// What a rule finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs)] // each is its label
pub enum Kind {
    Age,
    CreditCard,
    DateTime,
    DomainName,
    EmailAddress,
    IbanCode,
    IpAddress,
    PhoneNumber,
    StreetAddress,
    UsDriverLicense,
    UsSsn,
    ZipCode,
    Title,
    ApiKey,
    PrivateKey,
    Jwt,
    Password,
    AccessToken,
    Secret,
    Passport,
    NationalId,
    BankAccount,
    CryptoAddress,
    MacAddress,
    Vin,
    Imei,
}

impl Kind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Kind; 26] = [
        Kind::Age,
        Kind::CreditCard,
        Kind::DateTime,
        Kind::DomainName,
        Kind::EmailAddress,
        Kind::IbanCode,
        Kind::IpAddress,
        Kind::PhoneNumber,
        Kind::StreetAddress,
        Kind::UsDriverLicense,
        Kind::UsSsn,
        Kind::ZipCode,
        Kind::Title,
        Kind::ApiKey,
        Kind::PrivateKey,
        Kind::Jwt,
        Kind::Password,
        Kind::AccessToken,
        Kind::Secret,
        Kind::Passport,
        Kind::NationalId,
        Kind::BankAccount,
        Kind::CryptoAddress,
        Kind::MacAddress,
        Kind::Vin,
        Kind::Imei,
    ];

    /// The label as it appears in findings and policies.
    pub const fn label(self) -> &'static str {
        match self {
            Kind::Age => "AGE",
            Kind::CreditCard => "CREDIT_CARD",
            Kind::DateTime => "DATE_TIME",
            Kind::DomainName => "DOMAIN_NAME",
            Kind::EmailAddress => "EMAIL_ADDRESS",
            Kind::IbanCode => "IBAN_CODE",
            Kind::IpAddress => "IP_ADDRESS",
            Kind::PhoneNumber => "PHONE_NUMBER",
            Kind::StreetAddress => "STREET_ADDRESS",
            Kind::UsDriverLicense => "US_DRIVER_LICENSE",
            Kind::UsSsn => "US_SSN",
            Kind::ZipCode => "ZIP_CODE",
            Kind::Title => "TITLE",
            Kind::ApiKey => "API_KEY",
            Kind::PrivateKey => "PRIVATE_KEY",
            Kind::Jwt => "JWT",
            Kind::Password => "PASSWORD",
            Kind::AccessToken => "ACCESS_TOKEN",
            Kind::Secret => "SECRET",
            Kind::Passport => "PASSPORT",
            Kind::NationalId => "NATIONAL_ID",
            Kind::BankAccount => "BANK_ACCOUNT",
            Kind::CryptoAddress => "CRYPTO_ADDRESS",
            Kind::MacAddress => "MAC_ADDRESS",
            Kind::Vin => "VIN",
            Kind::Imei => "IMEI",
        }
    }

    /// The kind with this label.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.label() == label)
    }

    /// Whether a finding is blocked by default. Cards, accounts, identity numbers and secrets are; what ordinary texts
    /// are full of (dates, domains, addresses of machines and of people) is left to the policy.
    pub const fn sensitive(self) -> bool {
        match self {
            Kind::CreditCard
            | Kind::IbanCode
            | Kind::UsDriverLicense
            | Kind::UsSsn
            | Kind::ApiKey
            | Kind::PrivateKey
            | Kind::Jwt
            | Kind::Password
            | Kind::AccessToken
            | Kind::Secret
            | Kind::Passport
            | Kind::NationalId
            | Kind::BankAccount
            | Kind::Imei => true,
            Kind::Age
            | Kind::DateTime
            | Kind::DomainName
            | Kind::EmailAddress
            | Kind::IpAddress
            | Kind::PhoneNumber
            | Kind::StreetAddress
            | Kind::ZipCode
            | Kind::Title
            | Kind::CryptoAddress
            | Kind::MacAddress
            | Kind::Vin => false,
        }
    }
}

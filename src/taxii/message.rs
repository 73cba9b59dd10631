//! The messages of TAXII 1.1 and 1.0 as values (XML Message Binding 1.1, section 3; 1.0, section 3).
//!
//! One set of types serves both versions: where 1.0 lacks a field it is empty, and where it names a thing
//! differently (feed, Feed_Information) the 1.1 word is used. Which version a message was, or shall be, written
//! in is said beside it ([`Version`]).

use super::time::Timestamp;

/// The version of the TAXII services and of their XML message binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// TAXII 1.0.
    V10,
    /// TAXII 1.1.
    V11,
}

/// One whole message, without the content of its content blocks (those go to a
/// [`BlockSink`](super::decode::BlockSink) while the message is read).
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The version its root element belongs to.
    pub version: Version,
    /// What every message carries.
    pub header: Header,
    /// What this kind of message carries.
    pub body: Body,
}

/// What every message carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `message_id`; empty where the sender left it out.
    pub message_id: String,
    /// `in_response_to` of a response.
    pub in_response_to: Option<String>,
    /// Extended_Headers, in document order.
    pub extended: Vec<ExtendedHeader>,
    /// Whether a `ds:Signature` stood at the end of the message. It is neither made nor checked.
    pub signed: bool,
}

/// One Extended_Header: its name and its content as XML text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedHeader {
    /// `name`, a URI.
    pub name: String,
    /// The content, as the bytes that were sent; at most a few KiB are kept.
    pub value: String,
}

/// The kinds of message.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Discovery_Request.
    DiscoveryRequest,
    /// Discovery_Response: the advertised services.
    DiscoveryResponse(Vec<ServiceInstance>),
    /// Collection_Information_Request (1.0: Feed_Information_Request).
    CollectionInformationRequest,
    /// Collection_Information_Response (1.0: Feed_Information_Response).
    CollectionInformationResponse(Vec<Collection>),
    /// Subscription_Management_Request.
    SubscriptionRequest(SubscriptionRequest),
    /// Subscription_Management_Response.
    SubscriptionResponse(SubscriptionResponse),
    /// Poll_Request.
    PollRequest(PollRequest),
    /// Poll_Fulfillment (1.1 only).
    PollFulfillment(PollFulfillment),
    /// Poll_Response.
    PollResponse(PollResponse),
    /// Inbox_Message.
    InboxMessage(InboxMessage),
    /// Status_Message.
    Status(StatusMessage),
}

/// The four services (Services Specification 1.1, section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceType {
    /// DISCOVERY.
    Discovery,
    /// COLLECTION_MANAGEMENT (1.0: FEED_MANAGEMENT).
    CollectionManagement,
    /// INBOX.
    Inbox,
    /// POLL.
    Poll,
}

/// One service at one address over one protocol binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceInstance {
    /// `service_type`; `None` for a type that TAXII does not know.
    pub service_type: Option<ServiceType>,
    /// `service_version`; empty where left out.
    pub service_version: String,
    /// `available`; `None` means unknown, not false.
    pub available: Option<bool>,
    /// Where and how it is reached.
    pub contact: Contact,
    /// Format ids of Supported_Query.
    pub supported_queries: Vec<String>,
    /// Content_Binding: what an Inbox Service accepts; empty means all.
    pub content_bindings: Vec<ContentBinding>,
    /// Message, for people.
    pub message: Option<String>,
}

/// Protocol_Binding, Address and Message_Binding, in whichever element they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Protocol_Binding; empty where left out.
    pub protocol_binding: String,
    /// Address, trimmed, exactly as advertised: it may be relative, or wrong. Empty for a Push_Method.
    pub address: String,
    /// Message_Binding, all of them.
    pub message_bindings: Vec<String>,
}

/// A Content_Binding with its Subtypes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentBinding {
    /// `binding_id` (1.0: the element's text). In a block it may be a nesting expression `A|B`.
    pub id: String,
    /// `subtype_id` of each Subtype.
    pub subtypes: Vec<String>,
}

/// The two kinds of collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CollectionType {
    /// DATA_FEED: ordered by Timestamp Label.
    DataFeed,
    /// DATA_SET: unordered; a poll returns all of it.
    DataSet,
}

/// One Collection (1.0: Feed) of a Collection_Information_Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// `collection_name`, byte-exact after attribute-value normalisation.
    pub name: String,
    /// `collection_type`; DATA_FEED by default.
    pub collection_type: CollectionType,
    /// `available`; `None` means unknown.
    pub available: Option<bool>,
    /// Description; empty where left out.
    pub description: String,
    /// Collection_Volume: records added on a typical day.
    pub volume: Option<u64>,
    /// Content_Binding; empty means any content.
    pub content_bindings: Vec<ContentBinding>,
    /// Push_Method.
    pub push_methods: Vec<Contact>,
    /// Polling_Service.
    pub polling_services: Vec<Contact>,
    /// Subscription_Service.
    pub subscription_services: Vec<Contact>,
    /// Receiving_Inbox_Service, with the bindings it accepts.
    pub inbox_services: Vec<(Contact, Vec<ContentBinding>)>,
}

/// What is done to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionAction {
    /// SUBSCRIBE.
    Subscribe,
    /// UNSUBSCRIBE.
    Unsubscribe,
    /// PAUSE (1.1 only).
    Pause,
    /// RESUME (1.1 only).
    Resume,
    /// STATUS.
    Status,
}

/// Subscription_Management_Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRequest {
    /// `action`.
    pub action: SubscriptionAction,
    /// `collection_name`.
    pub collection: String,
    /// Subscription_ID.
    pub subscription_id: Option<String>,
    /// Subscription_Parameters; sent with SUBSCRIBE only.
    pub parameters: Option<Parameters>,
    /// Push_Parameters, as received; this agent never sends them.
    pub push: Option<Contact>,
}

/// Subscription_Management_Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionResponse {
    /// `collection_name`.
    pub collection: String,
    /// Message, for people.
    pub message: Option<String>,
    /// The subscriptions.
    pub subscriptions: Vec<Subscription>,
}

/// One Subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Subscription_ID.
    pub id: String,
    /// `status`: ACTIVE (the default), PAUSED or UNSUBSCRIBED, as written.
    pub status: String,
    /// Subscription_Parameters.
    pub parameters: Option<Parameters>,
    /// Push_Parameters.
    pub push: Option<Contact>,
    /// Poll_Instance: where the subscription is polled.
    pub poll_instances: Vec<Contact>,
}

/// Response_Type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResponseType {
    /// FULL.
    #[default]
    Full,
    /// COUNT_ONLY.
    CountOnly,
}

/// What Poll_Parameters and Subscription_Parameters share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Response_Type.
    pub response_type: ResponseType,
    /// Content_Binding filter; empty means no filter.
    pub content_bindings: Vec<ContentBinding>,
    /// Query.
    pub query: Option<Query>,
}

/// A Query, sent verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// `format_id`.
    pub format_id: String,
    /// The content as well-formed XML that stands alone (its own namespace declarations).
    pub xml: String,
}

/// Poll_Request.
#[derive(Clone, Debug, PartialEq)]
pub struct PollRequest {
    /// `collection_name`.
    pub collection: String,
    /// Exclusive_Begin_Timestamp.
    pub begin: Option<Timestamp>,
    /// Inclusive_End_Timestamp.
    pub end: Option<Timestamp>,
    /// Subscription_ID; where given, the parameters are not sent.
    pub subscription_id: Option<String>,
    /// `allow_asynch`.
    pub asynchronous: bool,
    /// Poll_Parameters.
    pub parameters: Parameters,
}

/// Poll_Fulfillment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollFulfillment {
    /// `collection_name`.
    pub collection: String,
    /// `result_id`, byte-exact.
    pub result_id: String,
    /// `result_part_number`, from 1.
    pub part: u32,
}

/// Record_Count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordCount {
    /// The number of records of the whole result. Informational only.
    pub count: u64,
    /// `partial_count`: the number is a lower bound.
    pub partial: bool,
}

/// Poll_Response without its blocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PollResponse {
    /// `collection_name`.
    pub collection: String,
    /// `more`: another part can be asked for.
    pub more: bool,
    /// A `more` that could not be read, as written.
    pub unreadable_more: Option<String>,
    /// `result_id`.
    pub result_id: Option<String>,
    /// `result_part_number`; `None` where it was left out (which means 1 in the reply to a Poll_Request).
    pub part: Option<u32>,
    /// Subscription_ID.
    pub subscription_id: Option<String>,
    /// Exclusive_Begin_Timestamp (1.0: Inclusive_Begin_Timestamp).
    pub begin: Option<Timestamp>,
    /// Inclusive_End_Timestamp; `None` where absent or unreadable.
    pub end: Option<Timestamp>,
    /// An Inclusive_End_Timestamp that could not be read, as written.
    pub unreadable_end: Option<String>,
    /// Record_Count.
    pub record_count: Option<RecordCount>,
    /// Message, for people.
    pub message: Option<String>,
    /// How many Content_Blocks the reply held, empty and faulty ones included.
    pub blocks: u64,
}

impl PollResponse {
    /// The text of Inclusive_End_Timestamp, readable or not.
    pub fn end_as_written(&self) -> Option<&str> {
        self.end.as_ref().map(|end| end.text.as_str()).or(self.unreadable_end.as_deref())
    }
}

/// Inbox_Message without its blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxMessage {
    /// Destination_Collection_Name.
    pub destinations: Vec<String>,
    /// Message, for people.
    pub message: Option<String>,
    /// `result_id`.
    pub result_id: Option<String>,
    /// Record_Count.
    pub record_count: Option<RecordCount>,
    /// How many Content_Blocks the message held.
    pub blocks: u64,
}

/// Status_Message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusMessage {
    /// `status_type`, trimmed, as written. [`StatusType::of`](super::status::StatusType::of) reads it.
    pub status_type: String,
    /// Status_Detail: names and values in document order. A 1.0 text detail has the empty name.
    pub details: Vec<(String, String)>,
    /// Message, for people: remote text, to be escaped where it is shown.
    pub message: Option<String>,
}

/// One Content_Block as it was received, without its content.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentBlock {
    /// Content_Binding of the block.
    pub binding: ContentBinding,
    /// Timestamp_Label; `None` where absent or unreadable.
    pub label: Option<Timestamp>,
    /// Message, for people.
    pub message: Option<String>,
    /// Whether the block carried a signature.
    pub signed: bool,
    /// What its content turned out to be.
    pub content: Content,
}

/// What the content of a block turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Length in bytes of what was given to the sink.
    pub size: u64,
    /// The form of those bytes.
    pub format: Format,
    /// Several roots, or text mixed with elements: the bytes are a fragment, not a document.
    pub fragment: bool,
    /// Root element of an XML document.
    pub root: Option<RootElement>,
    /// Why the content must not be handed over.
    pub fault: Option<Fault>,
    /// Things worth telling about a content that is handed over all the same.
    pub remarks: Vec<&'static str>,
}

/// The form of a content's bytes; it decides the extension of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One XML document: `xml`.
    Xml,
    /// JSON: `json`.
    Json,
    /// S/MIME: `p7m`.
    Smime,
    /// Any other text, and fragments: `txt`.
    Text,
    /// Bytes that are not text: `bin`.
    Binary,
    /// No content at all: no file is made.
    Empty,
}

/// The root element of a document: enough to tell what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootElement {
    /// Namespace URI; empty for none.
    pub namespace: String,
    /// Local name.
    pub local: String,
    /// The unqualified `version` attribute.
    pub version: Option<String>,
}

/// Why the content of one block is set aside while its neighbours are handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The content breaks a rule of XML 1.0 or of Namespaces in XML, though its tags pair up.
    #[error("not well formed: {0}")]
    NotWellFormed(String),
    /// Something in the content is more than this agent reads.
    #[error("more than this agent reads: {0}")]
    Limit(String),
    /// Elements nested deeper than the limit.
    #[error("elements nested deeper than {0} levels")]
    TooDeep(usize),
    /// Longer than `max_content_block`.
    #[error("longer than max_content_block ({0} bytes)")]
    TooLarge(u64),
    /// Text that its binding says is encoded, but is not.
    #[error("cannot be decoded: {0}")]
    Undecodable(String),
}

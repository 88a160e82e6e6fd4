/** What a room accepts from its members. Everything that somebody else can make grow has its bound here. */

/** Members of a room, oneself included: a full mesh of more is more than a phone should hold. */
export const MAX_MEMBERS = 32
/** Connections that have not proved their membership yet; the oldest makes room for the newest. */
export const MAX_UNPROVEN = 16
/** A connection proves its membership within this time, or is closed. */
export const PROOF_TIMEOUT_MS = 8_000
export const MAX_NAME_LENGTH = 40
export const MAX_TEXT_LENGTH = 4_000
export const MAX_FILE_NAME_LENGTH = 120
export const MAX_MEDIA_TYPE_LENGTH = 80
export const MAX_FILE_BYTES = 4 * 1024 ** 3
/** Messages that a newcomer gets from a member. */
export const HISTORY_LENGTH = 100
/** Messages that are kept; older ones are forgotten. */
export const TIMELINE_LENGTH = 500
/** How far a message's clock may be ahead of what was seen. */
export const MAX_CLOCK_STEP = 2 ** 20
/** A frame's length travels in two bytes. */
export const MAX_FRAME_BYTES = 0xffff
/** Bytes that wait for a member that does not read; beyond it the connection is closed. */
export const MAX_QUEUED_BYTES = 4 * 1024 * 1024
/** Frames of a member are taken at this rate; a flood waits in its own flow control window. */
export const FRAMES_PER_SECOND = 20
export const FRAME_BURST = 100
/** Files that one member may be sent at the same time. */
export const MAX_UPLOADS_PER_MEMBER = 4
/** "Is typing" is forgotten when it is not said again within this time. */
export const TYPING_MS = 6_000
export const MAX_ANNOUNCEMENT_BYTES = 1_024

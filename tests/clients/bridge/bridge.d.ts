// What the scripts of the gateway's page side find on the page, and what they give.

import * as wajs from "@wppconnect/wa-js";

declare global {
  type PageMessage = wajs.whatsapp.MsgModel;
  type PageChat = wajs.whatsapp.ChatModel;

  interface BridgeEvent {
    seq: number;
    kind: string;
    data: any;
  }

  interface BridgeState {
    waJs: string | null;
    page: string | null;
    isInjected: boolean;
    isFullReady: boolean;
    isAuthenticated: boolean;
    isRegistered: boolean;
    mode: string | null;
    info: string | null;
    socket: string | null;
    needsUpdate: boolean;
    qr: string | null;
    me: string | null;
    lid: string | null;
    name: string | null;
    href: string | null;
  }

  interface BridgePoll {
    epoch: string;
    dropped: number;
    state: BridgeState;
    events: BridgeEvent[];
  }

  /** A message that is to be sent. */
  interface BridgeMessage {
    to: string;
    /** What it says: nothing, or a caption, with a file. */
    text: string;
    key: string;
    isRepeat?: boolean;
    file?: { name: string; as: "image" | "video" | "audio" | "voice" | "document" | "sticker" };
  }

  /** Where messages go, and what went wrong. */
  interface BridgeInbox {
    isGiven(key: string): boolean;
    /** Whether it was given now: each message is given once. */
    give(model: PageMessage, isCaughtUp: boolean): boolean;
    oops(where: string, error: unknown): void;
  }

  const WPP: typeof wajs;

  interface Window {
    WPP: typeof wajs;
    Debug?: { VERSION?: string };
    readonly __andante?: {
      poll(epoch: string | null, acked: number, max: number): BridgePoll;
      call(epoch: string, id: string, method: string, params: unknown): "started" | "repeated" | "stale";
    };
  }
}

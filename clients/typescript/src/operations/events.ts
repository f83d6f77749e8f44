/** Operations of events and webhooks. */

import type { RequestOptions } from "../http/transport.js";
import { studyPath } from "../http/urls.js";
import type * as api from "../openapi.gen.js";
import { ResultOperations } from "./results.js";

const PAGE = 1000;

export abstract class EventOperations extends ResultOperations {
  /** List a study's events after the one with the number `after`, and the cursor to read on from. */
  async listEvents(
    studyName: string,
    query?: api.ListEventsData["query"],
    options?: RequestOptions,
  ): Promise<api.Feed> {
    return this.call("GET", studyPath(studyName, "events"), { ...options, query });
  }

  /** List all events of a study after the one with the number `after`, one by one. */
  async *allEvents(
    studyName: string,
    after = 0,
    options?: RequestOptions,
  ): AsyncGenerator<api.Event> {
    for (let cursor = after; ; ) {
      const feed = await this.listEvents(studyName, { after: cursor, limit: PAGE }, options);
      if (feed.events.length === 0) return;
      yield* feed.events;
      cursor = feed.next_after;
    }
  }

  async listWebhooks(
    query?: api.ListWebhooksData["query"],
    options?: RequestOptions,
  ): Promise<api.Webhook[]> {
    return this.call("GET", "/webhooks", { ...options, query });
  }

  /** Create a webhook; its `secret` is not answered again. */
  async createWebhook(
    body: api.CreateWebhookRequest,
    options?: RequestOptions,
  ): Promise<api.SecretWebhook> {
    return this.callOnce("POST", "/webhooks", { ...options, body });
  }

  async getWebhook(webhookId: number, options?: RequestOptions): Promise<api.Webhook> {
    return this.call("GET", `/webhooks/${webhookId}`, options);
  }

  /** Change a webhook, or enable one that was disabled. */
  async updateWebhook(
    webhookId: number,
    body: api.PatchedChangeWebhookRequest,
    options?: RequestOptions,
  ): Promise<api.Webhook> {
    return this.call("PATCH", `/webhooks/${webhookId}`, { ...options, body });
  }

  async deleteWebhook(webhookId: number, options?: RequestOptions): Promise<void> {
    await this.call("DELETE", `/webhooks/${webhookId}`, options);
  }

  /** Give a webhook a new `secret`. */
  async rotateWebhookSecret(
    webhookId: number,
    options?: RequestOptions,
  ): Promise<api.SecretWebhook> {
    return this.callOnce("POST", `/webhooks/${webhookId}/rotate-secret`, options);
  }

  /** Let a test message be sent to a webhook. */
  async pingWebhook(webhookId: number, options?: RequestOptions): Promise<api.Webhook> {
    return this.call("POST", `/webhooks/${webhookId}/ping`, options);
  }
}

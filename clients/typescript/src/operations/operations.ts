/** The base of the operations: one call of the API each, with the wire's own keys. */

import type { Answer } from "../http/answers.js";
import type { Call, RequestOptions, Transport } from "../http/transport.js";

/** A query of a list, which also takes filters by user attributes and constraints. */
export type Filters<Query> = Omit<NonNullable<Query>, "params"> & {
  /** Values or ranges by name, such as `{optimizer: "adam", lr: {min: 0.001, max: 0.1}}`. */
  params?: string | object;
  [named: `user_attr.${string}` | `constraint.${string}`]: string | number | boolean | object;
};

type Method = Call["method"];
type Extras = RequestOptions & Partial<Call>;

export abstract class Operations {
  protected readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Make a call that may be repeated. */
  protected async call<T>(method: Method, path: string, extras?: Extras): Promise<T> {
    const answer: Answer<T> = await this.transport.send({
      method,
      path,
      repeatable: true,
      ...extras,
    });
    return answer.body;
  }

  /** Make a call that must not be carried out twice. */
  protected async callOnce<T>(method: Method, path: string, extras?: Extras): Promise<T> {
    return this.call(method, path, { ...extras, repeatable: false });
  }
}

// The headers by which requests to the API are authenticated: none where a session's cookie does it.
export const credentials = {};

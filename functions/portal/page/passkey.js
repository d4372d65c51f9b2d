// Passkeys, as the browser makes and proves them.
import {call, Problem} from './api.js';

/** Whether this browser knows passkeys, and their JSON. */
export const able = () => 'PublicKeyCredential' in globalThis && 'parseRequestOptionsFromJSON' in PublicKeyCredential;

/**
 * Proves a passkey.
 * @param {string} path where the options are asked for
 * @param {object} [options] of the call
 * @returns {Promise<object>} the assertion as JSON
 */
export async function prove(path, options) {
  const asked = await call('POST', path, options);
  return shown(navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked)}));
}

/** Makes a passkey; answers the attestation as JSON. */
export async function make() {
  const asked = await call('POST', '/v1/mfa/passkeys/options');
  return shown(navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked)}));
}

/** What the browser answers; one that was sent away or found nothing is a Problem of ours. */
async function shown(credential) {
  try {
    return (await credential).toJSON();
  } catch (error) {
    throw new Problem({code: error.name === 'InvalidStateError' ? 'passkey_known' : 'passkey_none', detail: error.message});
  }
}

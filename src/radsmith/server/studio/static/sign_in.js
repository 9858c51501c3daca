// Signing in by name and password or through one's institution; both end where one began.

import { $ } from "./dom.js";
import { Refused, get, post } from "./requests.js";

// Offers what this server offers, and puts the cursor there.
export async function offer() {
  $("sso").hidden = !(await get("/review/sso/offered").catch(() => false));
  $("name").focus();
}

// entered: what comes after it.
export function signIn(entered) {
  $("login").addEventListener("submit", async (event) => {
    event.preventDefault();
    $("login-problem").textContent = "";
    try {
      await post("/review/api/login", { name: $("name").value, password: $("password").value });
    } catch (error) {
      $("login-problem").textContent = error instanceof Refused ? error.message : "that did not work";
      return;
    }
    $("password").value = "";
    entered();
  });
}

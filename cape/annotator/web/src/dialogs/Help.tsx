/** Every key. */

import { setUi } from "../state/view";
import { GROUPS, KEYS } from "../ui/hotkeys";
import { Modal } from "../ui/Modal";

export function Help() {
  return (
    <Modal title="Keys" wide onClose={() => setUi({ dialog: null })}>
      <div className="keys">
        {GROUPS.map(([title, names]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {names.map((name) => (
                <div key={name}>
                  <dt>
                    {KEYS[name].shown.map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{KEYS[name].words}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Modal>
  );
}

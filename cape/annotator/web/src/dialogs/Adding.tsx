/** More pictures. */

import { DropZone } from "../panels/DropZone";
import { setUi } from "../state/view";
import { Modal } from "../ui/Modal";

export function Adding() {
  return (
    <Modal title="Add pictures" onClose={() => setUi({ dialog: null })}>
      <DropZone />
    </Modal>
  );
}
